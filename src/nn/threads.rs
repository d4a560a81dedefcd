//! The CPU threads of tensor operations.

use std::ffi::c_int;

unsafe extern "C" {
    /// OpenMP's own call (libgomp, which libtorch brings).
    fn omp_set_num_threads(threads: c_int);
}

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

/// Does work on one CPU thread, then leaves the calling thread with as many as it had.
pub fn on_one_thread<T>(work: impl FnOnce() -> T) -> T {
    let before = tch::get_num_threads();
    use_threads_here(1);
    let done = work();
    use_threads_here(usize::try_from(before).unwrap_or(1));
    done
}
