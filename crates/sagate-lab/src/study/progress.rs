//! How far a study is, and how long it will take.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::plan::{Job, Kind};

/// Who watches a study. Jobs run side by side, so each call may come from any thread.
pub trait Progress: Sync {
    /// What will be done, and which jobs are kept from an earlier run.
    fn plan(&self, jobs: &[(Job, bool)], seconds_left: f64);
    /// A job begins.
    fn begin(&self, job: &Job);
    /// So much of a job, 0 to 1, is done.
    fn advance(&self, job: &Job, share: f64);
    /// A job is done.
    fn end(&self, job: &Job, seconds_left: f64);
}

/// Estimates the time left from the jobs that were measured: each kind of job has its own pace, in work a second.
#[derive(Debug)]
pub struct Pace {
    workers: usize,
    paces: Mutex<BTreeMap<Kind, (f64, f64)>>,
}

impl Pace {
    /// For so many jobs side by side.
    pub fn new(workers: usize) -> Pace {
        Pace {
            workers: workers.max(1),
            paces: Mutex::default(),
        }
    }

    /// A job of so much work took so many seconds.
    pub fn measured(&self, kind: Kind, work: f64, seconds: f64) {
        let mut paces = self.paces.lock().expect("no holder panics");
        let entry = paces.entry(kind).or_insert((0.0, 0.0));
        entry.0 += work;
        entry.1 += seconds;
    }

    /// Seconds that the given jobs (kind and work) will take, side by side. A kind that was never measured is guessed from
    /// [`Kind::guess`].
    pub fn seconds<I: IntoIterator<Item = (Kind, f64)>>(&self, jobs: I) -> f64 {
        let paces = self.paces.lock().expect("no holder panics");
        let of = |(kind, work): (Kind, f64)| match paces.get(&kind) {
            Some(&(done, seconds)) if done > 0.0 => work * seconds / done,
            _ => work * kind.guess(),
        };
        jobs.into_iter().map(of).sum::<f64>() / self.workers as f64
    }
}
