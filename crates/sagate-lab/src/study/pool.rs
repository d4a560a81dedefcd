//! Independent jobs on several threads, each with one libtorch thread: small networks do not benefit from more, and results then do not
//! depend on the number of parallel jobs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sagate_core::nn::threads::use_threads;

use super::error::StudyError;

/// Runs every job and returns the results in the jobs' order. After a failure no further job starts, and the first error is returned.
///
/// # Errors
/// What a job fails with.
pub fn each<J: Sync, T: Send>(
    jobs: &[J],
    workers: usize,
    work: impl Fn(&J) -> Result<T, StudyError> + Sync,
) -> Result<Vec<T>, StudyError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T, StudyError>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                use_threads(1);
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    let result = work(job);
                    if result.is_err() {
                        next.store(jobs.len(), Ordering::Relaxed);
                    }
                    done.lock().expect("no holder panics").push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no holder panics");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
