//! The scheduler of one device: it queues images and hands batches to idle workers.
//!
//! A device has slots: the cores of a CPU, or the concurrent batches of a GPU. A batch takes one slot or, if fewer images wait than slots
//! are free, several slots as threads of its operations. A single image gets the whole machine, and many images do not oversubscribe it:
//! threads times batches never exceed the slots. A batch begins only if its activations fit into free memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::batch_size::BatchSize;
use super::fairness::DeviceState;
use super::lease::{BatchLease, LeaseOwner, LeaseTerms, QueueId, WorkerMailbox};
use super::model_queue::QueueConfig;
use super::queue::Next;
use super::slots::Slots;
use super::task::Entry;
use super::wait::seconds_until_start;
use crate::engine::admission::cost::Work;
use crate::engine::admission::deadline::{CostEstimate, in_time, retry};
use crate::engine::admission::priority::Priority;
use crate::engine::error::EngineError;

/// Scheduler of all models on one device.
pub struct Scheduler {
    state: Mutex<DeviceState>,
    slots: Slots,
    /// Memory budget in bytes for the activations of all running batches.
    memory: u64,
    aging: Duration,
}

/// An image that can no longer meet its deadline.
struct Expired {
    entry: Entry,
    estimate: CostEstimate,
    retry_seconds: f64,
}

impl Scheduler {
    /// A scheduler without queues.
    pub fn new(slots: Slots, memory: u64, aging: Duration) -> Arc<Scheduler> {
        Arc::new(Scheduler {
            state: Mutex::new(DeviceState::new(slots.count, memory)),
            slots,
            memory,
            aging,
        })
    }

    fn state(&self) -> MutexGuard<'_, DeviceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a model's queue.
    pub fn add(&self, config: QueueConfig) -> QueueId {
        self.state().add(config, self.aging)
    }

    /// Removes the queue of a model whose workers have ended, and refuses its waiting images.
    pub fn remove(&self, queue: QueueId) {
        let queue = self.state().queues.remove(&queue);
        if let Some(mut queue) = queue {
            refuse(queue.queue.take_all(), || EngineError::Stopping);
        }
    }

    /// Queues an image, and returns the id by which it can be withdrawn.
    ///
    /// # Errors
    /// The queue is closed, the image exceeds the memory budget, or its deadline cannot be met.
    pub fn push(
        self: &Arc<Self>,
        queue: QueueId,
        entry: impl FnOnce(u64) -> Entry,
    ) -> Result<u64, EngineError> {
        let mut state = self.state();
        let id = state.next_entry_id();
        let entry = entry(id);
        if let Err(error) = self.check(&mut state, queue, &entry) {
            drop(state);
            // Releases the image's queue permit outside of the lock.
            drop(entry);
            return Err(error);
        }
        let least = state.least_virtual_time();
        let queue = state.queues.get_mut(&queue).expect("checked");
        if queue.is_idle() {
            // An idle queue must not bank credit.
            queue.virtual_time = queue.virtual_time.max(least);
        }
        queue.queue.push(entry);
        self.dispatch(state);
        Ok(id)
    }

    fn check(&self, state: &mut DeviceState, id: QueueId, entry: &Entry) -> Result<(), EngineError> {
        let Some(queue) = state.queues.get(&id).filter(|queue| !queue.closed) else {
            return Err(EngineError::Stopping);
        };
        let size = entry.image.size();
        let bytes = (queue.config.activations)(entry.kind(), size);
        if bytes > self.memory {
            return Err(EngineError::TooLargeForMemory {
                size,
                bytes,
                budget: self.memory,
            });
        }
        let Some(deadline) = entry.deadline else {
            return Ok(());
        };
        let now = Instant::now();
        let estimate = CostEstimate {
            cost: queue.cost,
            threads: self.slots.share(self.slots.count, state.side_by_side(id)),
        };
        let wait = seconds_until_start(state, self.slots, id, entry.priority, bytes, now);
        let in_time = in_time(deadline, wait + estimate.seconds(entry.work()), now);
        // An idle model makes no measurement that could correct its estimate.
        if in_time.is_err()
            && queue.is_idle()
            && let Some(queue) = state.queues.get_mut(&id)
        {
            queue.cost.decay_confidence();
        }
        in_time
    }

    /// Checks the queue delay against the deadline of an image whose cost is not known yet.
    ///
    /// # Errors
    /// The queue is closed, or the queue delay exceeds the deadline.
    pub fn check_deadline(
        &self,
        queue: QueueId,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<(), EngineError> {
        let state = self.state();
        if state.queues.get(&queue).is_none_or(|queue| queue.closed) {
            return Err(EngineError::Stopping);
        }
        let Some(deadline) = deadline else {
            return Ok(());
        };
        let now = Instant::now();
        let wait = seconds_until_start(&state, self.slots, queue, priority, 0, now);
        in_time(deadline, wait, now)
    }

    /// Estimated seconds until a new image would begin.
    pub fn wait_seconds(&self, queue: QueueId, priority: Priority) -> f64 {
        seconds_until_start(&self.state(), self.slots, queue, priority, 0, Instant::now())
    }

    /// Removes an image whose caller is gone, if it still waits.
    pub fn withdraw(self: &Arc<Self>, queue: QueueId, id: u64) {
        let mut state = self.state();
        let withdrawn = state
            .queues
            .get_mut(&queue)
            .and_then(|queue| queue.queue.remove(id));
        self.dispatch(state);
        // Frees the image and its permit outside of the lock.
        drop(withdrawn);
    }

    /// Puts the images of a failed batch back, each to run in a batch of its own.
    pub fn put_back(self: &Arc<Self>, queue: QueueId, entries: Vec<Entry>) {
        let mut state = self.state();
        if let Some(queue) = state.queues.get_mut(&queue) {
            queue.queue.put_back(entries);
            self.dispatch(state);
        } else {
            drop(state);
            refuse(entries, || EngineError::Stopping);
        }
    }

    /// Closes a queue to new images; waiting images are still served.
    pub fn close(self: &Arc<Self>, queue: QueueId) {
        let mut state = self.state();
        if let Some(queue) = state.queues.get_mut(&queue) {
            queue.closed = true;
        }
        self.dispatch(state);
    }

    /// Whether a queue is closed to new images.
    pub fn is_closed(&self, queue: QueueId) -> bool {
        self.state().queues.get(&queue).is_none_or(|queue| queue.closed)
    }

    /// Refuses all waiting images of a queue.
    pub fn refuse_all(self: &Arc<Self>, queue: QueueId, error: impl Fn() -> EngineError) {
        let mut state = self.state();
        let waiting = state.queues.get_mut(&queue).map(|queue| queue.queue.take_all());
        self.dispatch(state);
        refuse(waiting.unwrap_or_default(), error);
    }

    /// Records the slot-seconds that this work took.
    pub fn measured(&self, queue: QueueId, work: Work, seconds: f64) {
        if let Some(queue) = self.state().queues.get_mut(&queue) {
            queue.cost.measured(work, seconds);
        }
    }

    /// Ends the worker's last lease and waits for its next batch. `None`: the queue is closed and empty.
    pub fn next(
        self: &Arc<Self>,
        queue: QueueId,
        worker: &Arc<WorkerMailbox>,
        done: Option<BatchLease>,
    ) -> Option<BatchLease> {
        let mut state = self.state();
        // Under one lock: if the slots were freed before the worker is idle, another model would always get them.
        if let Some(done) = done {
            state.release(&done.into_terms());
        }
        let is_over = state.is_over(queue);
        if let Some(queue) = state.queues.get_mut(&queue).filter(|_| !is_over) {
            queue.idle.push(worker.clone());
        }
        self.dispatch(state);
        if is_over {
            return None;
        }
        loop {
            if let Some(lease) = worker.wait() {
                return Some(lease);
            }
            self.dispatch(self.state());
            let mut state = self.state();
            if state.is_over(queue) {
                state.leave_idle(queue, worker);
                // A batch may have arrived just before.
                return worker.take();
            }
        }
    }

    /// Hands out batches while there are slots and images. Images that can no longer meet their deadline are refused before any work is
    /// spent on them.
    fn dispatch(self: &Arc<Self>, mut guard: MutexGuard<'_, DeviceState>) {
        let state = &mut *guard;
        let now = Instant::now();
        let mut expired = Vec::new();
        state.waits_for_memory = None;
        while state.slots_free > 0
            && let Some((id, next)) = state.pick_next(now)
        {
            let estimate = CostEstimate {
                cost: state.queues[&id].cost,
                threads: self.slots.share(state.slots_free, state.demand()),
            };
            if self.expire(state, id, &estimate, now, &mut expired) {
                continue;
            }
            let Some(size) = BatchSize::choose(state, id, &next, &estimate, now) else {
                break;
            };
            self.grant(state, id, &next, &size, &estimate, now);
        }
        for queue in state.queues.values().filter(|queue| queue.is_over()) {
            queue.idle.iter().for_each(|worker| worker.close());
        }
        // Releases queue permits outside of the lock.
        drop(guard);
        for it in expired {
            let error = it
                .estimate
                .too_late(it.entry.work(), it.entry.deadline, it.retry_seconds, now);
            it.entry.refuse(error);
        }
    }

    /// Removes the late images of a queue. Returns whether there were any.
    fn expire(
        &self,
        state: &mut DeviceState,
        id: QueueId,
        estimate: &CostEstimate,
        now: Instant,
        expired: &mut Vec<Expired>,
    ) -> bool {
        let queue = state.picked(id);
        let late = queue.queue.take_late(estimate, now);
        let found = !late.is_empty();
        let retry_seconds = retry(queue.queue.seconds(&queue.cost) / self.slots.count as f64);
        expired.extend(late.into_iter().map(|entry| Expired {
            entry,
            estimate: *estimate,
            retry_seconds,
        }));
        found
    }

    /// Makes the next batch and leases it to an idle worker.
    fn grant(
        self: &Arc<Self>,
        state: &mut DeviceState,
        id: QueueId,
        next: &Next,
        size: &BatchSize,
        estimate: &CostEstimate,
        now: Instant,
    ) {
        let queue = state.picked(id);
        let batch = queue.queue.take(next, &queue.config.batching, size.images, now);
        let memory = match batch.len() as u64 {
            1 => size.alone,
            images => size.each * images,
        };
        let terms = LeaseTerms {
            queue: id,
            id: batch[0].id,
            threads: estimate.threads,
            memory,
            begun: now,
        };
        let work = batch.iter().map(Entry::work).sum();
        queue.began(terms, queue.cost.seconds(work));
        let worker = queue
            .idle
            .pop()
            .expect("a queue is picked only with an idle worker");
        worker.give(BatchLease::new(self.clone(), terms, batch));
        state.slots_free -= terms.threads;
        state.memory_free -= terms.memory;
        if self.slots.divisible {
            let DeviceState {
                queues, omp_threads, ..
            } = state;
            let is_idle = |worker: &Arc<WorkerMailbox>| queues.values().any(|queue| queue.has_idle(worker));
            omp_threads.begin(&worker, terms.threads, self.slots.count, is_idle);
        }
    }
}

impl LeaseOwner for Scheduler {
    fn release(self: Arc<Self>, terms: LeaseTerms) {
        let mut state = self.state();
        state.release(&terms);
        self.dispatch(state);
    }
}

fn refuse(entries: Vec<Entry>, error: impl Fn() -> EngineError) {
    for entry in entries {
        entry.refuse(error());
    }
}
