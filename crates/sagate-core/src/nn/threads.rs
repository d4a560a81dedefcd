//! The CPU threads of tensor operations.

use std::ffi::c_int;

unsafe extern "C" {
    /// OpenMP's own call (libgomp, which libtorch brings).
    fn omp_set_num_threads(threads: c_int);
    fn omp_get_initial_device() -> c_int;
    fn omp_pause_resource(kind: c_int, device: c_int) -> c_int;
}

/// `omp_pause_soft`: what was set is kept.
const SOFT: c_int = 1;

/// Lets the calling thread's operations use so many CPU threads from now on; 0 leaves it to libtorch (all cores).
pub fn use_threads(threads: usize) {
    // A thread's first use of libtorch takes over the number that was set last anywhere in the process, even after it has set its
    // own; asking is such a use.
    let _ = tch::get_num_threads();
    if let Ok(threads @ 1..) = i32::try_from(threads) {
        tch::set_num_threads(threads);
    }
}

/// As [`use_threads`], for the calling thread alone and for free, so that it can be done before every batch: libtorch's own setter
/// empties oneDNN's caches and makes a pool of threads anew.
pub fn use_threads_here(threads: usize) {
    // As above.
    let _ = tch::get_num_threads();
    if let Ok(threads @ 1..) = c_int::try_from(threads) {
        // SAFETY: sets a variable of the calling thread; libtorch and oneDNN ask for it at each operation.
        unsafe { omp_set_num_threads(threads) }
    }
}

/// Ends the threads that helped with the calling thread's operations and now wait for its next ones; those begin them anew.
pub fn release_omp_threads() {
    // SAFETY: ends threads of OpenMP that wait for the calling thread, outside of any operation of it.
    let refused = unsafe { omp_pause_resource(SOFT, omp_get_initial_device()) } != 0;
    debug_assert!(!refused, "called within an operation");
}

/// Lets the calling thread, and those that it will start, stand back so many steps (nice, at most 19) behind the thread that the program
/// began with where both want a core; for good. Else whoever wakes up for an instant, to refuse a call or to send an answer, waits until
/// a thread that computes has had its turn.
pub fn lower_priority(steps: c_int) {
    // SAFETY: both ask and tell the kernel how threads are scheduled (the process's number is its first thread's, 0 is the calling thread),
    // and touch no memory.
    unsafe {
        let first = libc::getpriority(libc::PRIO_PROCESS, std::process::id());
        libc::setpriority(libc::PRIO_PROCESS, 0, first + steps);
    }
}

/// Does work on one CPU thread, then leaves the calling thread with as many as it had.
pub fn on_one_thread<T>(work: impl FnOnce() -> T) -> T {
    let before = tch::get_num_threads();
    use_threads_here(1);
    let done = work();
    use_threads_here(usize::try_from(before).unwrap_or(1));
    done
}
