//! Parallel loops on libtorch's intra-op thread pool (`parallel.cc`), since a second pool would oversubscribe the cores.
//!
//! The split into tasks never depends on the number of threads, so neither does any result.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

unsafe extern "C" {
    fn sagate_parallel_for(tasks: i64, body: extern "C" fn(*mut c_void, i64, i64), context: *mut c_void);
}

struct Job<'a, T, F> {
    tasks: *mut T,
    work: &'a F,
    backwards: bool,
    panicked: AtomicBool,
}

/// Calls `work` once for every task, on libtorch's threads. Each thread processes a contiguous range of tasks in order.
///
/// # Panics
/// If `work` panics, after all tasks ended.
pub fn for_each<T: Send, F: Fn(&mut T) + Sync>(tasks: &mut [T], work: F) {
    run_static(tasks, false, work);
}

/// [`for_each`], with each thread's range processed in reverse: a pass over data that the previous pass just read finds the end of it in
/// the cache.
pub fn for_each_backwards<T: Send, F: Fn(&mut T) + Sync>(tasks: &mut [T], work: F) {
    run_static(tasks, true, work);
}

fn run_static<T: Send, F: Fn(&mut T) + Sync>(tasks: &mut [T], backwards: bool, work: F) {
    extern "C" fn body<T: Send, F: Fn(&mut T) + Sync>(job: *mut c_void, begin: i64, end: i64) {
        // SAFETY: `job` is the `Job` below, which outlives the call, and is only read.
        let job = unsafe { &*job.cast::<Job<'_, T, F>>() };
        for step in begin..end {
            let index = if job.backwards {
                begin + end - 1 - step
            } else {
                step
            };
            // SAFETY: the ranges of `sagate_parallel_for` are disjoint and within `tasks`, so this is the only reference to
            // the task; `T: Send` lets another thread have it.
            let task = unsafe { &mut *job.tasks.add(index as usize) };
            if catch_unwind(AssertUnwindSafe(|| (job.work)(task))).is_err() {
                job.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
    let job = Job {
        tasks: tasks.as_mut_ptr(),
        work: &work,
        backwards,
        panicked: AtomicBool::new(false),
    };
    // SAFETY: `body` gets back the very `Job` it was made for, and the call returns only when all of it was done.
    unsafe {
        sagate_parallel_for(
            tasks.len() as i64,
            body::<T, F>,
            (&raw const job).cast_mut().cast(),
        );
    }
    assert!(!job.panicked.into_inner(), "a kernel panicked");
}

/// Calls `work` once for every task with dynamic scheduling: each thread takes the next task when it is done with one. Nested parallel
/// loops in `work` run on the calling thread.
///
/// # Panics
/// As [`for_each`].
pub fn for_each_dynamic<T: Send, F: Fn(&mut T) + Sync>(tasks: &mut [T], work: F) {
    let mut threads = vec![(); tch::get_num_threads().max(1) as usize];
    let left = Mutex::new(tasks.iter_mut());
    for_each(&mut threads, |()| {
        loop {
            // Nothing that could panic runs under the lock.
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(task) = next else { break };
            work(task);
        }
    });
}
