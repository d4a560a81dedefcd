//! Whether an image can be done in its time.

use std::time::Instant;

use super::cost::Cost;
use super::error::EngineError;
use super::task::Entry;

/// What is expected to take so long is begun only where there is so many times as long: measured costs are averages, and the answer has
/// its way to go after the model is done.
pub(crate) const ROOM: f64 = 1.25;

/// How fast a model's images would run now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub cost: Cost,
    /// Slots that a batch would get.
    pub threads: usize,
}

impl Pace {
    /// Seconds that an image would take.
    pub fn seconds(&self, entry: &Entry) -> f64 {
        self.cost.seconds(entry.work()) / self.threads as f64
    }

    /// Whether an image could not be done in its time, were it begun now.
    pub fn is_late(&self, entry: &Entry, now: Instant) -> bool {
        entry
            .deadline
            .is_some_and(|deadline| deadline <= now || left(deadline, now) < self.seconds(entry))
    }

    /// How many images, the first of these, can run in one batch with each still in time; at least 1.
    pub fn in_time<'a>(&self, images: impl Iterator<Item = &'a Entry>, now: Instant) -> usize {
        let (mut seconds, mut least) = (0.0, f64::INFINITY);
        let fit = images.take_while(|entry| {
            seconds += self.seconds(entry);
            least = entry
                .deadline
                .map_or(least, |deadline| least.min(left(deadline, now)));
            ROOM * seconds <= least
        });
        fit.count().max(1)
    }

    /// Refuses an image that is late.
    pub fn refuse_late(&self, entry: Entry, retry_seconds: f64, now: Instant) {
        let error = match entry.deadline {
            Some(deadline) if deadline > now => EngineError::NotInTime {
                expected_seconds: self.seconds(&entry),
                left_seconds: left(deadline, now),
                retry_seconds,
            },
            _ => EngineError::DeadlineExceeded,
        };
        entry.refuse(error);
    }
}

/// Refuses what is expected to be done only after its deadline, or so shortly before that it may be late. One that has passed already is
/// for others to see.
///
/// # Errors
/// [`EngineError::NotInTime`].
pub(super) fn in_time(deadline: Instant, expected: f64, now: Instant) -> Result<(), EngineError> {
    let left = left(deadline, now);
    if left > 0.0 && ROOM * expected > left {
        return Err(EngineError::NotInTime {
            expected_seconds: expected,
            left_seconds: left,
            retry_seconds: retry(ROOM * expected - left),
        });
    }
    Ok(())
}

/// When to come again, of seconds after which there would be time: soon enough, and not at once.
pub(super) fn retry(seconds: f64) -> f64 {
    seconds.clamp(0.01, 30.0)
}

fn left(deadline: Instant, now: Instant) -> f64 {
    deadline.saturating_duration_since(now).as_secs_f64()
}
