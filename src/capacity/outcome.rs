//! Results of a simulation.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Results of a simulation. Times are simulated seconds.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Images after the warm-up.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Answered within the deadline; all answered ones without a deadline.
    pub in_time: u64,
    /// Refused on every attempt.
    pub refused: u64,
    /// No ready replica on the last attempt.
    pub no_replica: u64,
    /// Lost with a replica and not retried.
    pub lost: u64,
    /// Retries.
    pub retried: u64,
    /// Measured seconds.
    pub seconds: f64,
    /// Answers per second.
    pub throughput: f64,
    /// Mean latency in seconds.
    pub mean: f64,
    /// Median latency.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Mean number of replicas, starting ones included.
    pub replicas: f64,
    /// Maximum number of replicas.
    pub max_replicas: usize,
    /// Utilisation of the replicas' slots.
    pub utilisation: f64,
    /// Replica seconds per answered image.
    pub replica_seconds_per_image: f64,
    /// State at each evaluation of the autoscaler.
    pub timeline: Vec<Step>,
}

/// State at one evaluation of the autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Time.
    pub time: f64,
    /// Replicas, starting ones included.
    pub replicas: usize,
    /// Utilisation of the slots since the last evaluation.
    pub utilisation: f64,
    /// Waiting images.
    pub waiting: usize,
}

/// Counters of a running simulation.
pub(super) struct OutcomeCounters {
    latencies: Histogram<u64>,
    pub sent: u64,
    pub in_time: u64,
    pub refused: u64,
    pub no_replica: u64,
    pub lost: u64,
    pub retried: u64,
    pub used: f64,
    pub replica_seconds: f64,
    pub max_replicas: usize,
    pub timeline: Vec<Step>,
}

const MICROS: f64 = 1e6;
/// Longer latencies are clamped to this: a week.
const MAX_LATENCY_MICROS: u64 = 7 * 86_400 * 1_000_000;

impl OutcomeCounters {
    pub fn new() -> OutcomeCounters {
        OutcomeCounters {
            latencies: Histogram::new_with_bounds(1, MAX_LATENCY_MICROS, 3).expect("the bounds are valid"),
            sent: 0,
            in_time: 0,
            refused: 0,
            no_replica: 0,
            lost: 0,
            retried: 0,
            used: 0.0,
            replica_seconds: 0.0,
            max_replicas: 0,
            timeline: Vec::new(),
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
            no_replica: self.no_replica,
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
            max_replicas: self.max_replicas,
            utilisation: share(self.used, self.replica_seconds * slots as f64),
            replica_seconds_per_image: share(self.replica_seconds, answered as f64),
            timeline: self.timeline,
        }
    }
}
