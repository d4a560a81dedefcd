//! Who is told what the engine does.

use std::time::Duration;

use sagate_core::executor::{ModelId, ModelSpec};

/// Hears of every change in the engine, from the thread where it happens: to be quick, and to take no lock that others hold for long.
pub trait Observer: Send + Sync + 'static {
    /// A model takes requests from now on; it may have done so before.
    fn loaded(&self, model: &ModelSpec);
    /// What waits for a model or runs, and the bytes that it takes.
    fn queue(&self, model: &ModelId, entries: usize, bytes: u64);
    /// A batch is about to run.
    fn batch_begins(&self, model: &ModelId, images: usize);
    /// A batch has run: how long the network took, and the scores.
    fn batch_ended(&self, model: &ModelId, forward: Duration, qc: Duration);
    /// SAMs and units of an interpretation were computed.
    fn sams(&self, model: &ModelId, took: Duration);
    /// A model became ready, or is not any more.
    fn ready(&self, model: &ModelId, ready: bool);
    /// How many of a model's threads take batches.
    fn instances(&self, model: &ModelId, instances: Instances);
    /// A model was taken away on purpose; it may come again.
    fn unloaded(&self, model: &ModelId);
    /// The thread of a model panicked and is being replaced.
    fn panicked(&self, model: &ModelId);
    /// A shadow looked at an image that another version of the model answered.
    fn shadowed(&self, shadow: &ModelId, comparison: &Comparison);
}

/// How many threads run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// Those that take batches now.
    pub ready: usize,
    /// Those that shall.
    pub wanted: usize,
}

/// What came of a shadow's run on one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Both have an answer.
    Seen {
        /// Whether both let the image through, or neither.
        same_decision: bool,
        /// The shadow's mu less the other's.
        mu_difference: f64,
        /// Dice between the two masks, in [0, 1].
        mask_dice: f64,
    },
    /// The shadow had no place left, or no time.
    Skipped,
    /// The shadow failed on the image.
    Failed,
}
