//! How urgent an image is.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

/// How urgent an image is. A lower class waits for a higher one, but not for ever: see [`super::Setup::aging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for the answer at a bedside.
    Urgent,
    /// The day's work.
    #[default]
    Routine,
    /// Whenever there is time: studies, archives, shadows.
    Batch,
}

impl Priority {
    /// Every class, the most urgent first.
    pub const ALL: [Priority; 3] = [Priority::Urgent, Priority::Routine, Priority::Batch];

    /// The class that an image counts as after it has waited: one higher for each `aging` that has passed.
    pub(super) fn aged(self, waited: Duration, aging: Duration) -> Priority {
        let steps = if aging.is_zero() {
            0
        } else {
            (waited.as_nanos() / aging.as_nanos()) as usize
        };
        Priority::ALL[(self as usize).saturating_sub(steps)]
    }
}
