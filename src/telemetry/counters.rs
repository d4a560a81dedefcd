//! What a model has done since the start: how many images, how they ended and where their time went.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::models::Clock;
use super::phases::{Phase, Phases};

/// What adds up.
#[derive(Default)]
pub(super) struct ModelCounters {
    answered: Clock,
    failed: Clock,
    phases: [Clock; Phase::ALL.len()],
    batches: AtomicU64,
    /// Milliseconds since 1970; 0: no image was answered yet.
    last: AtomicU64,
}

/// What one model has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Images that got a decision.
    pub answered: u64,
    /// Images that got none.
    pub failed: u64,
    /// Batches that the model ran.
    pub batches: u64,
    /// When an image was answered last, in milliseconds since 1970; 0: none was.
    pub last_milliseconds: u64,
    /// Time of the answered images, from coming in to their answer, all together.
    pub answered_time: Duration,
    /// Time of those that got none.
    pub failed_time: Duration,
    phases: [Duration; Phase::ALL.len()],
}

impl Statistics {
    /// How long the answered images stayed in a phase, all together.
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
        // A clock before 1970 is no time at which anything was answered.
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
