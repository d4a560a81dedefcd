//! Weighted fair scheduling between models: the most urgent image first, then the model with the least service time for its weight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lease::{LeaseTerms, QueueId, WorkerMailbox};
use super::model_queue::{ModelQueue, QueueConfig};
use super::omp_threads::OmpThreads;
use super::queue::{BatchReadiness, Next};
use crate::engine::admission::priority::Priority;

/// The queues of a device, and its free resources.
pub struct DeviceState {
    pub queues: BTreeMap<QueueId, ModelQueue>,
    pub slots_free: usize,
    pub memory_free: u64,
    /// The next batch, if it waits for memory: no other batch begins before it.
    pub waits_for_memory: Option<WaitsForMemory>,
    pub omp_threads: OmpThreads,
    next_queue: QueueId,
    next_entry: u64,
}

/// A batch that waits for memory.
#[derive(Clone, Copy)]
pub struct WaitsForMemory {
    pub class: Priority,
    pub bytes: u64,
}

impl DeviceState {
    /// A device without queues.
    pub fn new(slots: usize, memory: u64) -> DeviceState {
        DeviceState {
            queues: BTreeMap::new(),
            slots_free: slots,
            memory_free: memory,
            waits_for_memory: None,
            omp_threads: OmpThreads::default(),
            next_queue: 0,
            next_entry: 0,
        }
    }

    /// Adds a queue.
    pub fn add(&mut self, config: QueueConfig, aging: Duration) -> QueueId {
        let id = self.next_queue;
        self.next_queue += 1;
        let queue = ModelQueue::new(config, aging, self.least_virtual_time());
        self.queues.insert(id, queue);
        id
    }

    /// Next entry id, in ascending order.
    pub fn next_entry_id(&mut self) -> u64 {
        let id = self.next_entry;
        self.next_entry += 1;
        id
    }

    /// Lowest virtual time of the queues with work; 0 if none has work.
    pub fn least_virtual_time(&self) -> f64 {
        let busy = self.queues.values().filter(|queue| !queue.is_idle());
        busy.map(|queue| queue.virtual_time)
            .min_by(f64::total_cmp)
            .unwrap_or(0.0)
    }

    /// Whether a queue is closed and empty, or removed.
    pub fn is_over(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_none_or(ModelQueue::is_over)
    }

    /// Removes a worker from the idle ones.
    pub fn leave_idle(&mut self, queue: QueueId, worker: &Arc<WorkerMailbox>) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.idle.retain(|it| !Arc::ptr_eq(it, worker));
        }
    }

    /// Number of batches that could begin now with enough slots.
    pub fn demand(&self) -> usize {
        let queues = self.queues.values();
        queues.map(|queue| queue.queue.len().min(queue.idle.len())).sum()
    }

    /// Number of concurrent batches after one more image for a queue: at most one per worker of each queue.
    pub fn side_by_side(&self, one_more_for: QueueId) -> usize {
        let of_queue = |(&id, queue): (&QueueId, &ModelQueue)| {
            let images = queue.queue.len() + queue.in_flight.len() + usize::from(id == one_more_for);
            images.min(queue.idle.len() + queue.in_flight.len())
        };
        self.queues.iter().map(of_queue).sum()
    }

    /// Picks the queue of the next batch among those with an idle worker. Where a batch still waits for more images, sets the wake-up time of
    /// its worker.
    pub fn pick_next(&self, now: Instant) -> Option<(QueueId, Next)> {
        let mut ready = Vec::new();
        for (&id, queue) in &self.queues {
            let (Some(worker), Some(next)) = (queue.idle.last(), queue.queue.next(now)) else {
                continue;
            };
            match queue.queue.readiness(&next, &queue.config.batching, now) {
                BatchReadiness::Now => ready.push((id, next)),
                BatchReadiness::At(then) => worker.wake_at(then),
            }
        }
        let virtual_time = |id: &QueueId| self.queues[id].virtual_time;
        ready.into_iter().min_by(|(a, of_a), (b, of_b)| {
            of_a.class
                .cmp(&of_b.class)
                .then(virtual_time(a).total_cmp(&virtual_time(b)))
        })
    }

    /// Frees the resources of a lease.
    pub fn release(&mut self, terms: &LeaseTerms) {
        self.slots_free += terms.threads;
        self.memory_free += terms.memory;
        if let Some(queue) = self.queues.get_mut(&terms.queue) {
            queue.ended(terms);
        }
    }

    /// The queue returned by [`DeviceState::pick_next`] under the same lock.
    ///
    /// # Panics
    /// The queue does not exist.
    pub fn picked(&mut self, id: QueueId) -> &mut ModelQueue {
        self.queues
            .get_mut(&id)
            .expect("it was picked under the same lock")
    }
}
