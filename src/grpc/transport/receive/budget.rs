//! Memory budget of requests being received, in total and per client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::grpc::error::ServiceError;
use crate::security::ClientKey;

/// Limits on bytes being received, in total and per client, and on the time of a request.
pub(crate) struct ReceiveBudget {
    limit: u64,
    client_limit: u64,
    pub(super) held: AtomicU64,
    /// Bytes held per client.
    clients: Mutex<HashMap<ClientKey, Arc<AtomicU64>>>,
    /// Time limit of one request.
    timeout: Duration,
}

/// Bytes charged to the budget; dropping this returns them.
pub(crate) struct Charge {
    budget: Arc<ReceiveBudget>,
    client: ClientKey,
    of_client: Arc<AtomicU64>,
    bytes: u64,
}

impl ReceiveBudget {
    /// A budget of so many bytes; one client gets at most half of it, but at least one message.
    pub fn new(limit: u64, max_message_bytes: usize, timeout: Duration) -> Arc<ReceiveBudget> {
        Arc::new(ReceiveBudget {
            limit,
            client_limit: (limit / 2).max(max_message_bytes as u64),
            held: AtomicU64::new(0),
            clients: Mutex::default(),
            timeout,
        })
    }

    /// An empty charge for a client.
    pub fn charge(self: &Arc<Self>, client: ClientKey) -> Charge {
        let of_client = self.lock().entry(client.clone()).or_default().clone();
        Charge {
            budget: self.clone(),
            client,
            of_client,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, Arc<AtomicU64>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to the held bytes; returns the held bytes as an error if the limit would be exceeded.
fn add(held: &AtomicU64, bytes: u64, limit: u64) -> Result<u64, u64> {
    held.fetch_update(Relaxed, Relaxed, |held| {
        held.checked_add(bytes).filter(|&sum| sum <= limit)
    })
}

impl Charge {
    /// Charges more bytes.
    ///
    /// # Errors
    /// The budget is exhausted.
    pub fn add(&mut self, bytes: usize) -> Result<(), ServiceError> {
        let (budget, bytes) = (&self.budget, bytes as u64);
        let spent = |whose, limit| move |held| ServiceError::ReceiveBudget { whose, held, limit };
        add(&self.of_client, bytes, budget.client_limit)
            .map_err(spent("of this client", budget.client_limit))?;
        if let Err(held) = add(&budget.held, bytes, budget.limit) {
            self.of_client.fetch_sub(bytes, Relaxed);
            return Err(spent("of all clients", budget.limit)(held));
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Time limit of receiving.
    pub fn timeout(&self) -> Duration {
        self.budget.timeout
    }

    /// The error of a request that exceeded it.
    pub fn too_slow(&self) -> ServiceError {
        ServiceError::ReceiveTimeout {
            seconds: self.budget.timeout.as_secs(),
        }
    }

    /// Returns them.
    pub fn release(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
        self.of_client.fetch_sub(self.bytes, Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release();
        let mut clients = self.budget.lock();
        // Only the map and this charge hold it: the client is receiving nothing else.
        if Arc::strong_count(&self.of_client) == 2 {
            clients.remove(&self.client);
        }
    }
}
