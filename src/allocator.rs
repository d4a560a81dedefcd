//! Memory allocator of the program, libtorch included.
//!
//! The system allocator returns the memory of every larger tensor to the kernel and maps it again, zeroed page by page. On any thread but the
//! first this costs a fifth of the speed of a model.

use std::ptr::null_mut;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Memory that is free for ten seconds is returned to the system, large allocations (over 8 MiB) included. jemalloc's background threads are
/// off: they wait on the wall clock, and stop returning memory when it is set back. Huge pages are on, since tensors are slower without
/// them. Returned memory is unmapped: otherwise khugepaged would in time back it with huge pages again, and a server under constant load
/// would grow by the hour.
const OPTIONS: &[u8] =
    b"background_thread:false,dirty_decay_ms:10000,muzzy_decay_ms:0,oversize_threshold:0,thp:always,retain:false\0";

// SAFETY: jemalloc reads this name, as a thin pointer to text that ends in a zero byte.
#[unsafe(export_name = "malloc_conf")]
static FIRST_OPTION: &u8 = &OPTIONS[0];

/// jemalloc control that returns expired memory of all arenas (`MALLCTL_ARENAS_ALL`).
const DECAY_ALL_ARENAS: &std::ffi::CStr = c"arena.4096.decay";
const PERIOD: Duration = Duration::from_secs(1);

/// Starts a thread that returns expired memory periodically. Without it, an arena is only purged when one of its threads allocates, never after
/// they have ended or while they sleep.
pub fn start_decay_thread() {
    let started = std::thread::Builder::new().name("memory".into()).spawn(|| {
        loop {
            std::thread::sleep(PERIOD);
            // SAFETY: the name ends in a zero byte, and nothing is read or written through the other pointers, which are null.
            unsafe {
                tikv_jemalloc_sys::mallctl(DECAY_ALL_ARENAS.as_ptr(), null_mut(), null_mut(), null_mut(), 0);
            }
        }
    });
    // If it cannot start, memory is only returned on allocation; a program that can start no thread fails elsewhere.
    drop(started);
}
