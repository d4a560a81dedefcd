//! How urgent an image is.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

/// How urgent an image is. A lower class waits for a higher one. A waiting [`Priority::Batch`] image does not starve: see
/// [`crate::engine::EngineConfig::aging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for the answer at a bedside.
    Urgent,
    /// The day's work.
    #[default]
    Routine,
    /// Whenever there is time: studies, archives.
    Batch,
    /// Copies of other requests' images for a shadow version. They run only where nothing else waits; no caller can ask for it.
    #[value(skip)]
    #[serde(skip)]
    Shadow,
}

impl Priority {
    /// Every class, the most urgent first.
    pub const ALL: [Priority; 4] = [
        Priority::Urgent,
        Priority::Routine,
        Priority::Batch,
        Priority::Shadow,
    ];

    /// The class that an image counts as after it has waited. [`Priority::Batch`] becomes [`Priority::Routine`] after `aging` (0:
    /// never). Nothing becomes urgent: an urgent image was promised that only urgent ones go before it.
    pub(crate) fn aged(self, waited: Duration, aging: Duration) -> Priority {
        match self {
            Priority::Batch if !aging.is_zero() && waited >= aging => Priority::Routine,
            as_it_came => as_it_came,
        }
    }
}
