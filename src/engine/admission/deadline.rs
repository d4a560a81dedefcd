//! Deadline checks.

use std::time::Instant;

use super::cost::{Cost, Work};
use crate::engine::error::EngineError;

/// An image is admitted only if its deadline leaves this many times the estimate: measured costs are averages, and the answer still has
/// to reach its caller.
pub const DEADLINE_HEADROOM: f64 = 1.25;

/// Estimated time of a model's images on a number of slots.
#[derive(Debug, Clone, Copy)]
pub struct CostEstimate {
    pub cost: Cost,
    /// Slots of a batch.
    pub threads: usize,
}

impl CostEstimate {
    /// Estimated seconds.
    pub fn seconds(&self, work: Work) -> f64 {
        self.cost.seconds(work) / self.threads as f64
    }

    /// Whether work that begins now would miss its deadline.
    pub fn is_late(&self, work: Work, deadline: Option<Instant>, now: Instant) -> bool {
        deadline.is_some_and(|deadline| deadline <= now || left(deadline, now) < self.seconds(work))
    }

    /// Number of leading images that can run in one batch with each meeting its deadline; at least 1. Each item is work and deadline.
    pub fn batch_in_time(
        &self,
        images: impl Iterator<Item = (Work, Option<Instant>)>,
        now: Instant,
    ) -> usize {
        let (mut seconds, mut least) = (0.0, f64::INFINITY);
        let fit = images.take_while(|&(work, deadline)| {
            seconds += self.seconds(work);
            least = deadline.map_or(least, |deadline| least.min(left(deadline, now)));
            DEADLINE_HEADROOM * seconds <= least
        });
        fit.count().max(1)
    }

    /// The error for a late image.
    pub fn too_late(
        &self,
        work: Work,
        deadline: Option<Instant>,
        retry_seconds: f64,
        now: Instant,
    ) -> EngineError {
        match deadline {
            Some(deadline) if deadline > now => EngineError::NotInTime {
                expected_seconds: self.seconds(work),
                left_seconds: left(deadline, now),
                retry_seconds,
            },
            _ => EngineError::DeadlineExceeded,
        }
    }
}

/// Checks that the deadline leaves [`DEADLINE_HEADROOM`] times the expected seconds. A deadline that has passed is no error here: the caller
/// sees it.
///
/// # Errors
/// [`EngineError::NotInTime`].
pub fn in_time(deadline: Instant, expected: f64, now: Instant) -> Result<(), EngineError> {
    let left = left(deadline, now);
    if left > 0.0 && DEADLINE_HEADROOM * expected > left {
        return Err(EngineError::NotInTime {
            expected_seconds: expected,
            left_seconds: left,
            retry_seconds: retry(DEADLINE_HEADROOM * expected - left),
        });
    }
    Ok(())
}

/// The retry delay for this queue delay, clamped to 0.01 to 30 s.
pub fn retry(seconds: f64) -> f64 {
    seconds.clamp(0.01, 30.0)
}

fn left(deadline: Instant, now: Instant) -> f64 {
    deadline.saturating_duration_since(now).as_secs_f64()
}
