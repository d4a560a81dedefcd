//! Size of the next batch.

use std::time::Instant;

use super::fairness::{DeviceState, WaitsForMemory};
use super::lease::QueueId;
use super::queue::Next;
use crate::engine::admission::deadline::CostEstimate;

/// Size of the next batch.
pub struct BatchSize {
    pub images: usize,
    /// Activation bytes of a single image, and of each image in a larger batch.
    pub alone: u64,
    pub each: u64,
}

impl BatchSize {
    /// Chooses the size of the next batch. `None`: its first image does not fit into free memory. It is not skipped: smaller batches would
    /// starve it.
    pub fn choose(
        state: &mut DeviceState,
        id: QueueId,
        next: &Next,
        estimate: &CostEstimate,
        now: Instant,
    ) -> Option<BatchSize> {
        let (slots_free, memory_free) = (state.slots_free, state.memory_free);
        let queue = state.picked(id);
        let (kind, size) = queue.queue.kind_and_size(next);
        let batching = &queue.config.batching;
        // Each image of a batch takes as much memory as the largest one of its bucket.
        let alone = (queue.config.activations)(kind, size).max(1);
        let each = (queue.config.activations)(kind, batching.bucket(size)).max(1);
        if alone > memory_free {
            state.waits_for_memory = Some(WaitsForMemory {
                class: next.class,
                bytes: alone,
            });
            return None;
        }
        let fitting = usize::try_from(memory_free / each).unwrap_or(usize::MAX);
        let most = batching.max_batch.min(fitting);
        let batchable = queue.queue.batchable_count(next, batching, most, estimate, now);
        // Images that could run side by side on free slots do not wait for each other in one batch.
        let batches = (slots_free / estimate.threads).min(queue.idle.len()).max(1);
        let share = queue.queue.len().div_ceil(batches);
        let images = if batching.preferred.is_empty() {
            batchable.min(share)
        } else {
            batchable
        };
        Some(BatchSize {
            images: batching.size(images),
            alone,
            each,
        })
    }
}
