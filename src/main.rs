//! The `sagate` binary.

use std::process::ExitCode;

/// Of libtorch as well: the system's allocator gives the memory of every larger tensor back and takes it anew, zeroed page by page,
/// which costs a model a fifth of its speed on any thread but the first.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is free for ten seconds goes back to the system, whoever freed it; tensors of more than 8 MiB are no exception.
const OPTIONS: &[u8] =
    b"background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:0,oversize_threshold:0,thp:always\0";

// SAFETY: jemalloc reads this name, as a thin pointer to text that ends in a zero byte.
#[unsafe(export_name = "malloc_conf")]
static FIRST_OPTION: &u8 = &OPTIONS[0];

fn main() -> ExitCode {
    sagate::cli::main()
}
