//! The bytes that requests take while they are received, in all and of one client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::grpc::error::ServiceError;
use crate::security::ClientKey;

/// How much may be received at once, in all and from one client, and for how long.
pub(crate) struct ReceiveBudget {
    limit: u64,
    client_limit: u64,
    pub(super) held: AtomicU64,
    /// Those that are sending.
    clients: Mutex<HashMap<ClientKey, Arc<AtomicU64>>>,
    /// How long one request may take.
    timeout: Duration,
}

/// Bytes that are taken from the budget until this is dropped.
pub(crate) struct Charge {
    budget: Arc<ReceiveBudget>,
    client: ClientKey,
    of_client: Arc<AtomicU64>,
    bytes: u64,
}

impl ReceiveBudget {
    /// A budget of so many bytes; one client has at most half of it, but room for one message.
    pub fn new(limit: u64, max_message_bytes: usize, timeout: Duration) -> Arc<ReceiveBudget> {
        Arc::new(ReceiveBudget {
            limit,
            client_limit: (limit / 2).max(max_message_bytes as u64),
            held: AtomicU64::new(0),
            clients: Mutex::default(),
            timeout,
        })
    }

    /// A charge of nothing yet, for a client.
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

/// Adds to what is held, up to a limit; what is held where it would be more.
fn add(held: &AtomicU64, bytes: u64, limit: u64) -> Result<u64, u64> {
    held.fetch_update(Relaxed, Relaxed, |held| {
        held.checked_add(bytes).filter(|&sum| sum <= limit)
    })
}

impl Charge {
    /// Takes more bytes.
    ///
    /// # Errors
    /// They are not left.
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

    /// How long receiving may take.
    pub fn timeout(&self) -> Duration {
        self.budget.timeout
    }

    /// What a request that came too slowly is told.
    pub fn too_slow(&self) -> ServiceError {
        ServiceError::ReceiveTimeout {
            seconds: self.budget.timeout.as_secs(),
        }
    }

    /// Gives them back.
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
        // The map's and this one: the client sends nothing else.
        if Arc::strong_count(&self.of_client) == 2 {
            clients.remove(&self.client);
        }
    }
}
