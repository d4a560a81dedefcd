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

/// Sets the number of CPU threads for the calling thread's operations; 0: libtorch's default (all cores).
pub fn use_threads(threads: usize) {
    // A thread's first use of libtorch overwrites its number with the one that was last set in the process. Reading the number counts as a
    // use, so it comes first.
    let _ = tch::get_num_threads();
    if let Ok(threads @ 1..) = i32::try_from(threads) {
        tch::set_num_threads(threads);
    }
}

/// As [`use_threads`], but cheap enough to call before every batch: libtorch's setter clears oneDNN's caches and recreates the thread pool.
pub fn use_threads_here(threads: usize) {
    // As above.
    let _ = tch::get_num_threads();
    if let Ok(threads @ 1..) = c_int::try_from(threads) {
        // SAFETY: sets a variable of the calling thread; libtorch and oneDNN ask for it at each operation.
        unsafe { omp_set_num_threads(threads) }
    }
}

/// Ends the idle OpenMP threads of the calling thread; its next operation starts new ones.
pub fn release_omp_threads() {
    // SAFETY: ends threads of OpenMP that wait for the calling thread, outside of any operation of it.
    let refused = unsafe { omp_pause_resource(SOFT, omp_get_initial_device()) } != 0;
    debug_assert!(!refused, "called within an operation");
}

/// Raises the nice value of the calling thread, and of those that it starts later, by `steps` above that of the main thread (at most 19).
/// Threads that handle requests then preempt threads that compute. It cannot be undone.
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
