//! Callbacks for engine events.

use std::time::Duration;

use sagate_core::executor::{ModelId, ModelSpec};

/// Receives engine events on the thread where they happen. Implementations must be fast and take no lock that is held for long.
pub trait Observer: Send + Sync + 'static {
    /// A model takes requests; it may have been loaded before.
    fn loaded(&self, model: &ModelSpec);
    /// Number and bytes of the waiting and running images of a model.
    fn queue(&self, model: &ModelId, entries: usize, bytes: u64);
    /// A batch begins.
    fn batch_begins(&self, model: &ModelId, images: usize);
    /// A batch ended, with the time of the forward pass and of scoring.
    fn batch_ended(&self, model: &ModelId, forward: Duration, qc: Duration);
    /// SAMs and units of an interpretation were computed.
    fn sams(&self, model: &ModelId, took: Duration);
    /// The readiness of a model.
    fn ready(&self, model: &ModelId, ready: bool);
    /// Number of a model's threads that take batches.
    fn instances(&self, model: &ModelId, instances: Instances);
    /// A model was unloaded on request; it may be loaded again.
    fn unloaded(&self, model: &ModelId);
    /// The thread of a model panicked and is being replaced.
    fn panicked(&self, model: &ModelId);
    /// A shadow version ran on an image that another version answered.
    fn shadowed(&self, shadow: &ModelId, comparison: &Comparison);
}

/// How many threads run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// Threads that take batches.
    pub ready: usize,
    /// Configured threads.
    pub wanted: usize,
}

/// Result of a shadow run on one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Both versions have an answer.
    Seen {
        /// Whether both accept or both reject the image.
        same_decision: bool,
        /// mu of the shadow minus mu of the other.
        mu_difference: f64,
        /// Dice between the two masks, in [0, 1].
        mask_dice: f64,
    },
    /// The shadow had no queue permit left, or not enough time.
    Skipped,
    /// The shadow failed on the image.
    Failed,
}
