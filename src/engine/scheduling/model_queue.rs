//! One model's queue on a device, with its workers and its batches in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batching::BatchingPolicy;
use super::busy::Busy;
use super::lease::{LeaseTerms, WorkerMailbox};
use super::queue::Queue;
use crate::engine::admission::cost::{Cost, Kind};

/// Bytes of activations that an image of so much height and width takes while it runs.
pub type Activations = Box<dyn Fn(Kind, [usize; 2]) -> u64 + Send>;

/// How a model's queue is served.
pub struct QueueConfig {
    /// Share of the device beside other models, above 0.
    pub weight: f64,
    pub batching: BatchingPolicy,
    pub activations: Activations,
}

/// One model's queue.
pub struct ModelQueue {
    pub config: QueueConfig,
    pub queue: Queue,
    pub cost: Cost,
    /// Whether it takes nothing more; what waits is still served.
    pub closed: bool,
    /// Weighted service time received, in seconds of a slot.
    pub virtual_time: f64,
    /// Workers that wait for a batch, the one that ran last at the end.
    pub idle: Vec<Arc<WorkerMailbox>>,
    pub in_flight: Vec<InFlightBatch>,
}

/// A batch that runs.
pub struct InFlightBatch {
    terms: LeaseTerms,
    /// Seconds of one slot that it is expected to take.
    expected: f64,
}

impl ModelQueue {
    /// An empty queue. It begins at `virtual_time`, so that it has no credit from before it existed.
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

    /// Whether nothing waits or runs.
    pub fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Whether a worker waits for a batch of this queue.
    pub fn has_idle(&self, worker: &Arc<WorkerMailbox>) -> bool {
        self.idle.iter().any(|it| Arc::ptr_eq(it, worker))
    }

    /// What its batches in flight keep busy.
    pub fn busy(&self, now: Instant) -> impl Iterator<Item = Busy> {
        self.in_flight.iter().map(move |it| Busy {
            free_in: it.remaining(now),
            threads: it.terms.threads,
            memory: it.terms.memory,
        })
    }

    /// Records that a batch begins.
    pub fn began(&mut self, terms: LeaseTerms, expected: f64) {
        self.in_flight.push(InFlightBatch { terms, expected });
    }

    /// Records that a batch has ended, and charges its time to the queue.
    pub fn ended(&mut self, terms: &LeaseTerms) {
        self.in_flight.retain(|it| it.terms.id != terms.id);
        let slot_seconds = terms.begun.elapsed().as_secs_f64() * terms.threads as f64;
        self.virtual_time += slot_seconds / self.config.weight;
    }
}

impl InFlightBatch {
    /// Seconds until it is expected to end.
    fn remaining(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.terms.begun).as_secs_f64();
        (self.expected / self.terms.threads as f64 - passed).max(0.0)
    }
}
