//! The CPU threads of tensor operations.

/// Lets the calling thread's operations use so many CPU threads from now on; 0 leaves it to libtorch (all cores).
pub fn use_threads(threads: usize) {
    // A thread's first use of libtorch takes over the number that was set last anywhere in the process, even after it has set its
    // own; asking is such a use.
    let _ = tch::get_num_threads();
    if let Ok(threads @ 1..) = i32::try_from(threads) {
        tch::set_num_threads(threads);
    }
}
