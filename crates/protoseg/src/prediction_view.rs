//! A prediction without its tensors, so that several threads may read it at once.

use super::error::Fault;

/// The part of a [`super::Prediction`] that holds no tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct PredictionView<'a> {
    /// Object classes, K.
    pub classes: usize,
    /// The image's size `*S`, outermost dimension first.
    pub size: &'a [i64],
    /// Valid pixels of each label, `[B][K + 1]`, background first.
    pub counts: &'a [Vec<u64>],
    /// Why an image can have no score, `[B]`.
    pub faults: &'a [Option<Fault>],
}

impl PredictionView<'_> {
    /// Images in the batch.
    pub fn batch(&self) -> usize {
        self.counts.len()
    }

    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.size.iter().product::<i64>() as usize
    }
}
