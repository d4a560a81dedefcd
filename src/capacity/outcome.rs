//! What came of a simulation.

use hdrhistogram::Histogram;
use serde::Serialize;

/// What came of a simulation. Seconds are simulated ones.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Images that came after the warm-up.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Answered within their deadline; all where there is none.
    pub in_time: u64,
    /// Refused by every replica that was tried.
    pub refused: u64,
    /// Found no replica ready.
    pub nobody: u64,
    /// Lost with a replica, and not tried again.
    pub lost: u64,
    /// Sent to a further replica.
    pub retried: u64,
    /// Seconds that were looked at.
    pub seconds: f64,
    /// Answers a second.
    pub throughput: f64,
    /// Seconds from an image's coming to its answer.
    pub mean: f64,
    /// The same: half of them took no longer.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// Replicas on the average, those that start up counted.
    pub replicas: f64,
    /// Most replicas at once.
    pub most_replicas: usize,
    /// Share of the replicas' slots that was used.
    pub utilisation: f64,
    /// Seconds of a replica for an answered image.
    pub replica_seconds_an_image: f64,
    /// What it was at each look of the autoscaler.
    pub course: Vec<Step>,
}

/// A look of the autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// When.
    pub time: f64,
    /// Replicas, those that start up counted.
    pub replicas: usize,
    /// Share of the slots that was used since the last look.
    pub utilisation: f64,
    /// Images that waited.
    pub waiting: usize,
}

/// Counts while the simulation runs.
pub(super) struct OutcomeCounters {
    latencies: Histogram<u64>,
    pub sent: u64,
    pub in_time: u64,
    pub refused: u64,
    pub nobody: u64,
    pub lost: u64,
    pub retried: u64,
    pub used: f64,
    pub replica_seconds: f64,
    pub most_replicas: usize,
    pub course: Vec<Step>,
}

const MICROS: f64 = 1e6;
/// Longer latencies count as this: a week.
const LONGEST: u64 = 7 * 86_400 * 1_000_000;

impl OutcomeCounters {
    pub fn new() -> OutcomeCounters {
        OutcomeCounters {
            latencies: Histogram::new_with_bounds(1, LONGEST, 3).expect("its bounds are right"),
            sent: 0,
            in_time: 0,
            refused: 0,
            nobody: 0,
            lost: 0,
            retried: 0,
            used: 0.0,
            replica_seconds: 0.0,
            most_replicas: 0,
            course: Vec::new(),
        }
    }

    pub fn answered(&mut self, seconds: f64, in_time: bool) {
        self.latencies.saturating_record((seconds * MICROS) as u64);
        self.in_time += u64::from(in_time);
    }

    pub fn outcome(self, seconds: f64, slots: usize) -> Outcome {
        let answered = self.latencies.len();
        let at = |share: f64| self.latencies.value_at_quantile(share) as f64 / MICROS;
        let share = |of: f64, all: f64| if all > 0.0 { of / all } else { 0.0 };
        Outcome {
            sent: self.sent,
            answered,
            in_time: self.in_time,
            refused: self.refused,
            nobody: self.nobody,
            lost: self.lost,
            retried: self.retried,
            seconds,
            throughput: share(answered as f64, seconds),
            mean: self.latencies.mean() / MICROS,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            replicas: share(self.replica_seconds, seconds),
            most_replicas: self.most_replicas,
            utilisation: share(self.used, self.replica_seconds * slots as f64),
            replica_seconds_an_image: share(self.replica_seconds, answered as f64),
            course: self.course,
        }
    }
}
