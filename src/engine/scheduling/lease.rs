//! A lease: one batch, and the slots and memory that it may use while it runs.

use std::sync::Arc;
use std::time::Instant;

use super::mailbox::Mailbox;
use super::task::Entry;

/// Identifies a model's queue.
pub type QueueId = u64;

/// The mailbox of a worker.
pub type WorkerMailbox = Mailbox<BatchLease>;

/// Resources that a lease holds.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTerms {
    /// The queue that the batch came from.
    pub queue: QueueId,
    /// Identifies the lease among those of its queue.
    pub id: u64,
    /// Slots, which are also the threads that operations may use.
    pub threads: usize,
    /// Bytes of activations.
    pub memory: u64,
    /// When the lease began.
    pub begun: Instant,
}

/// Owner of the resources of leases.
pub trait LeaseOwner: Send + Sync {
    /// Frees the resources of a lease.
    fn release(self: Arc<Self>, terms: LeaseTerms);
}

/// A batch, with the slots and memory to run it. Dropping the lease frees them.
pub struct BatchLease {
    owner: Arc<dyn LeaseOwner>,
    terms: LeaseTerms,
    batch: Vec<Entry>,
    released: bool,
}

impl BatchLease {
    /// Leases the slots and memory of `terms`, which `owner` has reserved.
    pub fn new(owner: Arc<dyn LeaseOwner>, terms: LeaseTerms, batch: Vec<Entry>) -> BatchLease {
        BatchLease {
            owner,
            terms,
            batch,
            released: false,
        }
    }

    /// Threads that operations may use.
    pub fn threads(&self) -> usize {
        self.terms.threads
    }

    /// The batch, to be run while the lease is held.
    pub fn take_batch(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.batch)
    }

    /// Ends the lease without a call to its owner: the caller passes the terms on.
    pub fn into_terms(mut self) -> LeaseTerms {
        self.released = true;
        self.terms
    }
}

impl Drop for BatchLease {
    fn drop(&mut self) {
        if !self.released {
            self.owner.clone().release(self.terms);
        }
    }
}
