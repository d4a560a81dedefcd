//! Which workers keep OpenMP threads between batches, and which of them release theirs.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::lease::WorkerMailbox;

/// Minimum time between releases. Ending and starting threads takes longer than many images and costs some memory each time: requests
/// that alternate between models must not pay for it with every image.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);

/// The OpenMP threads of all workers. Each worker that has computed on several cores keeps its own threads. Where all of them together
/// are more than the cores, they no longer spin between operations, and each operation begins with the system waking them up (libgomp,
/// `gomp_throttled_spin_count_var`).
#[derive(Default)]
pub struct OmpThreads {
    /// Workers with more than one thread, and how many each has, its own included.
    held: Vec<(Weak<WorkerMailbox>, usize)>,
    last_release: Option<Instant>,
}

impl OmpThreads {
    /// Records that a worker begins a batch on `threads` of `cores`. Where all workers would hold more threads than there are cores, idle
    /// workers are asked to end theirs, unless that happened less than [`RELEASE_INTERVAL`] ago.
    pub fn begin(
        &mut self,
        worker: &Arc<WorkerMailbox>,
        threads: usize,
        cores: usize,
        is_idle: impl Fn(&Arc<WorkerMailbox>) -> bool,
    ) {
        self.held.retain(|(it, _)| it.strong_count() > 0);
        let index = self
            .held
            .iter()
            .position(|(it, _)| std::ptr::eq(it.as_ptr(), Arc::as_ptr(worker)));
        let before = index.map_or(1, |index| self.held.remove(index).1);
        // A worker that runs a batch on one thread keeps the threads that it had.
        let own = if threads > 1 { threads } else { before };
        let all_others: usize = self.held.iter().map(|(_, threads)| threads).sum();
        let mut others = all_others;
        let may_release = self
            .last_release
            .is_none_or(|then| then.elapsed() >= RELEASE_INTERVAL);
        self.held.retain(|(it, threads)| {
            let too_many = may_release && others + own > cores;
            let Some(idle) = it.upgrade().filter(|it| too_many && is_idle(it)) else {
                return true;
            };
            idle.release_omp_threads();
            others -= threads;
            false
        });
        let releases_own = may_release && threads == 1 && own > 1 && others + own > cores;
        if releases_own {
            worker.release_omp_threads();
        } else if own > 1 {
            self.held.push((Arc::downgrade(worker), own));
        }
        if releases_own || others < all_others {
            self.last_release = Some(Instant::now());
        }
    }
}
