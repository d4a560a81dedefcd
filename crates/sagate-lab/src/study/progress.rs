//! Progress of a study and estimated remaining time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::plan::{Job, Kind};

/// Observer of a study. Jobs run in parallel, so each method may be called from any thread.
pub trait Progress: Sync {
    /// The jobs of the run, each with whether its result is cached.
    fn plan(&self, jobs: &[(Job, bool)], seconds_left: f64);
    /// A job begins.
    fn begin(&self, job: &Job);
    /// The given share of a job, 0 to 1, is done.
    fn advance(&self, job: &Job, share: f64);
    /// A job is done.
    fn end(&self, job: &Job, seconds_left: f64);
}

/// Estimates the remaining time from finished jobs: each kind of job has its own throughput, in work a second.
#[derive(Debug)]
pub struct RemainingTime {
    workers: usize,
    throughput: Mutex<BTreeMap<Kind, (f64, f64)>>,
}

impl RemainingTime {
    /// For `workers` parallel jobs.
    pub fn new(workers: usize) -> RemainingTime {
        RemainingTime {
            workers: workers.max(1),
            throughput: Mutex::default(),
        }
    }

    /// Records a finished job: its work and its duration in seconds.
    pub fn record(&self, kind: Kind, work: f64, seconds: f64) {
        let mut throughput = self.throughput.lock().expect("no holder panics");
        let entry = throughput.entry(kind).or_insert((0.0, 0.0));
        entry.0 += work;
        entry.1 += seconds;
    }

    /// Estimated seconds for the given jobs (kind and work), run in parallel. A kind without a finished job uses
    /// [`Kind::guess`].
    pub fn seconds<I: IntoIterator<Item = (Kind, f64)>>(&self, jobs: I) -> f64 {
        let throughput = self.throughput.lock().expect("no holder panics");
        let seconds = |(kind, work): (Kind, f64)| match throughput.get(&kind) {
            Some(&(done, seconds)) if done > 0.0 => work * seconds / done,
            _ => work * kind.guess(),
        };
        jobs.into_iter().map(seconds).sum::<f64>() / self.workers as f64
    }
}
