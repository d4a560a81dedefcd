//! One model's queue on a device, with its workers and its batches in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batching::BatchingPolicy;
use super::busy::Busy;
use super::lease::{LeaseTerms, WorkerMailbox};
use super::queue::Queue;
use crate::engine::admission::cost::{Cost, Kind};

/// Activation bytes of an image of this height and width while it runs.
pub type Activations = Box<dyn Fn(Kind, [usize; 2]) -> u64 + Send>;

/// Configuration of a model's queue.
pub struct QueueConfig {
    /// Weight in the sharing of the device, above 0.
    pub weight: f64,
    pub batching: BatchingPolicy,
    pub activations: Activations,
}

/// One model's queue.
pub struct ModelQueue {
    pub config: QueueConfig,
    pub queue: Queue,
    pub cost: Cost,
    /// Whether it is closed to new images; waiting images are still served.
    pub closed: bool,
    /// Weighted service time received, in seconds of a slot.
    pub virtual_time: f64,
    /// Idle workers, the most recently active one last.
    pub idle: Vec<Arc<WorkerMailbox>>,
    pub in_flight: Vec<InFlightBatch>,
}

/// A running batch.
pub struct InFlightBatch {
    terms: LeaseTerms,
    /// Expected slot-seconds.
    expected: f64,
}

impl ModelQueue {
    /// An empty queue. It begins at `virtual_time`, so that it has no credit.
    pub fn new(config: QueueConfig, aging: Duration, virtual_time: f64) -> ModelQueue {
        ModelQueue {
            config,
            queue: Queue::new(aging),
            cost: Cost::UNKNOWN,
            closed: false,
            virtual_time,
            idle: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Whether it is closed and empty.
    pub fn is_over(&self) -> bool {
        self.closed && self.queue.is_empty()
    }

    /// Whether no image waits or runs.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Whether this worker is idle in this queue.
    pub fn has_idle(&self, worker: &Arc<WorkerMailbox>) -> bool {
        self.idle.iter().any(|it| Arc::ptr_eq(it, worker))
    }

    /// Resources of its batches in flight.
    pub fn busy(&self, now: Instant) -> impl Iterator<Item = Busy> {
        self.in_flight.iter().map(move |it| Busy {
            free_in: it.remaining(now),
            threads: it.terms.threads,
            memory: it.terms.memory,
        })
    }

    /// Records the begin of a batch.
    pub fn began(&mut self, terms: LeaseTerms, expected: f64) {
        self.in_flight.push(InFlightBatch { terms, expected });
    }

    /// Records the end of a batch, and charges its time to the queue.
    pub fn ended(&mut self, terms: &LeaseTerms) {
        self.in_flight.retain(|it| it.terms.id != terms.id);
        let slot_seconds = terms.begun.elapsed().as_secs_f64() * terms.threads as f64;
        self.virtual_time += slot_seconds / self.config.weight;
    }
}

impl InFlightBatch {
    /// Expected seconds until it ends.
    fn remaining(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.terms.begun).as_secs_f64();
        (self.expected / self.terms.threads as f64 - passed).max(0.0)
    }
}
