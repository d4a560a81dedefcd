//! Weighted fair scheduling between models: the most urgent image first, then the model with the least service time for its weight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lease::{LeaseTerms, QueueId, WorkerMailbox};
use super::model_queue::{ModelQueue, QueueConfig};
use super::omp_threads::OmpThreads;
use super::queue::{BatchReadiness, Next};
use crate::engine::admission::priority::Priority;

/// The queues of a device, and what is free of it.
pub struct DeviceState {
    pub queues: BTreeMap<QueueId, ModelQueue>,
    pub slots_free: usize,
    pub memory_free: u64,
    /// The batch that is next and waits for memory: no other batch begins before it.
    pub waits_for_memory: Option<WaitsForMemory>,
    pub omp_threads: OmpThreads<WorkerMailbox>,
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

    /// A number for an entry, greater than all before.
    pub fn next_entry_id(&mut self) -> u64 {
        let id = self.next_entry;
        self.next_entry += 1;
        id
    }

    /// The least virtual time of the queues that have work; 0 where none has.
    pub fn least_virtual_time(&self) -> f64 {
        let busy = self.queues.values().filter(|queue| !queue.is_at_rest());
        busy.map(|queue| queue.virtual_time)
            .min_by(f64::total_cmp)
            .unwrap_or(0.0)
    }

    /// Whether a queue is closed and empty, or gone.
    pub fn is_over(&self, queue: QueueId) -> bool {
        self.queues.get(&queue).is_none_or(ModelQueue::is_over)
    }

    /// Takes a worker from those that wait for a batch.
    pub fn leave_idle(&mut self, queue: QueueId, worker: &Arc<WorkerMailbox>) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.idle.retain(|it| !Arc::ptr_eq(it, worker));
        }
    }

    /// How many batches could begin now, were there slots enough.
    pub fn demand(&self) -> usize {
        let queues = self.queues.values();
        queues.map(|queue| queue.queue.len().min(queue.idle.len())).sum()
    }

    /// How many batches run side by side when one more image has come for a queue: of each queue at most one for each worker.
    pub fn side_by_side(&self, one_more_for: QueueId) -> usize {
        let of_queue = |(&id, queue): (&QueueId, &ModelQueue)| {
            let images = queue.queue.len() + queue.in_flight.len() + usize::from(id == one_more_for);
            images.min(queue.idle.len() + queue.in_flight.len())
        };
        self.queues.iter().map(of_queue).sum()
    }

    /// The queue whose batch is next, among those with an idle worker. Where a batch may still wait for more images, its worker is told
    /// when to ask again.
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

    /// Frees what a lease held.
    pub fn release(&mut self, terms: &LeaseTerms) {
        self.slots_free += terms.threads;
        self.memory_free += terms.memory;
        if let Some(queue) = self.queues.get_mut(&terms.queue) {
            queue.ended(terms);
        }
    }

    /// The queue of that number, which was picked a moment ago.
    ///
    /// # Panics
    /// There is none.
    pub fn picked(&mut self, id: QueueId) -> &mut ModelQueue {
        self.queues
            .get_mut(&id)
            .expect("it was picked under the same lock")
    }
}
