//! What hands out the program's memory, libtorch's as well.
//!
//! The system's allocator gives the memory of every larger tensor back and takes it anew, zeroed page by page, which costs a model a fifth
//! of its speed on any thread but the first.

use std::ptr::null_mut;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is free for ten seconds goes back to the system; tensors of more than 8 MiB are no exception. Not by jemalloc's own threads: they
/// sleep to a time of day, and when the clock is put back a day they give nothing back for a day. Huge pages, for without them tensors
/// take a model longer; and nothing that is given back stays mapped, or the kernel would in time make huge pages of it again, empty ones
/// (khugepaged), and a server at steady work would grow by the hour.
const OPTIONS: &[u8] =
    b"background_thread:false,dirty_decay_ms:10000,muzzy_decay_ms:0,oversize_threshold:0,thp:always,retain:false\0";

// SAFETY: jemalloc reads this name, as a thin pointer to text that ends in a zero byte.
#[unsafe(export_name = "malloc_conf")]
static FIRST_OPTION: &u8 = &OPTIONS[0];

/// jemalloc's name of what gives back what is due, in every arena (`MALLCTL_ARENAS_ALL`).
const GIVE_BACK: &std::ffi::CStr = c"arena.4096.decay";
const PERIOD: Duration = Duration::from_secs(1);

/// Gives back what is due for as long as the program runs, also of threads that have gone or sleep: each thread sees to the memory of those
/// alone that allocate where it does.
pub fn give_back() {
    let started = std::thread::Builder::new().name("memory".into()).spawn(|| {
        loop {
            std::thread::sleep(PERIOD);
            // SAFETY: the name ends in a zero byte, and nothing is read or written through the other pointers, which are null.
            unsafe {
                tikv_jemalloc_sys::mallctl(GIVE_BACK.as_ptr(), null_mut(), null_mut(), null_mut(), 0);
            }
        }
    });
    // Without it memory goes back only where it is used; a program that can start no thread will say so soon enough.
    drop(started);
}
