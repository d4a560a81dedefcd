//! Totals of a model since the start: images, outcomes and time per phase.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::models::Clock;
use super::phases::{Phase, Phases};

/// Counters of one model.
#[derive(Default)]
pub(super) struct ModelCounters {
    answered: Clock,
    failed: Clock,
    phases: [Clock; Phase::ALL.len()],
    batches: AtomicU64,
    /// Time of the last answer, in milliseconds since 1970; 0: none yet.
    last: AtomicU64,
}

/// Totals of one model since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Images with a decision.
    pub answered: u64,
    /// Images without a decision.
    pub failed: u64,
    /// Batches that the model ran.
    pub batches: u64,
    /// Time of the last answer, in milliseconds since 1970; 0: none yet.
    pub last_milliseconds: u64,
    /// Total time of the answered images, from arrival to answer.
    pub answered_time: Duration,
    /// Total time of the failed images.
    pub failed_time: Duration,
    phases: [Duration; Phase::ALL.len()],
}

impl Statistics {
    /// Total time of the answered images in a phase.
    pub fn phase(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }
}

impl ModelCounters {
    pub(super) fn batch(&self) {
        self.batches.fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, phases: &Phases) {
        for phase in Phase::ALL {
            self.phases[phase as usize].add(phases.duration(phase));
        }
        self.answered.add(phases.begun().elapsed());
        // A clock before 1970 counts as 0.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last.store(now.as_millis() as u64, Relaxed);
    }

    pub(super) fn failed(&self, took: Duration) {
        self.failed.add(took);
    }

    pub(super) fn read(&self, answered: u64, failed: u64) -> Statistics {
        Statistics {
            answered,
            failed,
            batches: self.batches.load(Relaxed),
            last_milliseconds: self.last.load(Relaxed),
            answered_time: self.answered.total(),
            failed_time: self.failed.total(),
            phases: self.phases.each_ref().map(Clock::total),
        }
    }
}
