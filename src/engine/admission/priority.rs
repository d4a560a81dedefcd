//! Priority classes.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

/// Priority class of an image. A lower class waits for a higher one. A waiting [`Priority::Batch`] image does not starve: see
/// [`crate::engine::EngineConfig::aging`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Interactive use at the point of care.
    Urgent,
    /// Regular clinical work.
    #[default]
    Routine,
    /// Background work: studies, archives.
    Batch,
    /// Copies of other requests' images for a shadow version. They run only when nothing else waits. Clients cannot request this class.
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

    /// The class after aging: [`Priority::Batch`] is promoted to [`Priority::Routine`] after `aging` (0: never). Nothing is promoted to
    /// urgent: only urgent images may go before an urgent one.
    pub(crate) fn promoted(self, waited: Duration, aging: Duration) -> Priority {
        match self {
            Priority::Batch if !aging.is_zero() && waited >= aging => Priority::Routine,
            unchanged => unchanged,
        }
    }
}
