//! Which images share a batch, and how long they wait for each other.

use std::time::Duration;

/// Batching policy of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchingPolicy {
    /// Maximum batch size, at least 1.
    pub max_batch: usize,
    /// Maximum batching delay: how long an image waits for others that could share its batch.
    pub max_wait: Duration,
    /// Preferred batch sizes, ascending: a batch starts as soon as one of them is reached. Empty: any size.
    pub preferred: Vec<usize>,
    /// Images share a batch where their sides, rounded up to a multiple of this, are equal; 0: only images of one size. It changes no
    /// result.
    pub bucket: usize,
}

impl Default for BatchingPolicy {
    fn default() -> Self {
        BatchingPolicy {
            max_batch: 1,
            max_wait: Duration::ZERO,
            preferred: Vec::new(),
            bucket: 0,
        }
    }
}

impl BatchingPolicy {
    /// Bucket (height and width) of an image. Images of one bucket may share a batch.
    pub fn bucket(&self, size: [usize; 2]) -> [usize; 2] {
        match self.bucket {
            0 => size,
            multiple => size.map(|side| side.next_multiple_of(multiple)),
        }
    }

    /// Batch size for this number of batchable images: all that fit, or the largest preferred size not above.
    pub fn size(&self, batchable: usize) -> usize {
        let most = batchable.min(self.max_batch).max(1);
        let preferred = self.preferred.iter().rev().find(|&&size| size <= most);
        preferred.copied().unwrap_or(most)
    }

    /// Whether a batch of this size starts without waiting for more images.
    pub fn is_enough(&self, batchable: usize) -> bool {
        batchable >= self.max_batch || self.preferred.iter().any(|&size| size > 1 && size <= batchable)
    }
}
