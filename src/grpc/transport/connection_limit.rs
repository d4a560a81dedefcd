//! Limits on open connections: in total, and per client address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::ConnectionSettings;
use crate::security::ClientKey;

/// The open connections of all ports that serve calls.
pub(crate) struct ConnectionLimit {
    total: usize,
    /// 0: no limit per address.
    client: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    clients: HashMap<ClientKey, usize>,
}

/// A counted connection; dropping this releases it.
pub(crate) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    client: ClientKey,
}

/// A connection limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyConnections {
    /// The total limit.
    #[error(
        "the server has {0} connections, as many as it takes (setting server.max_connections); try again later"
    )]
    InAll(usize),
    /// The limit of one client address.
    #[error(
        "the server has {0} connections from this address, as many as it takes (setting server.max_client_connections); use one for many \
         calls"
    )]
    OfClient(usize),
}

impl ConnectionLimit {
    pub fn new(settings: &ConnectionSettings) -> Arc<ConnectionLimit> {
        Arc::new(ConnectionLimit {
            total: settings.max_connections,
            client: settings.max_client_connections,
            open: Mutex::default(),
        })
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn open(self: &Arc<Self>, address: SocketAddr) -> Result<ConnectionPermit, TooManyConnections> {
        let client = ClientKey::from_address(Some(address));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.total {
            return Err(TooManyConnections::InAll(self.total));
        }
        let of_client = open.clients.get(&client).copied().unwrap_or_default();
        if self.client > 0 && of_client >= self.client {
            return Err(TooManyConnections::OfClient(self.client));
        }
        open.all += 1;
        open.clients.insert(client.clone(), of_client + 1);
        Ok(ConnectionPermit {
            limit: self.clone(),
            client,
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.clients.get_mut(&self.client) {
            *count -= 1;
            // Remove addresses without connections, so the map does not grow.
            if *count == 0 {
                open.clients.remove(&self.client);
            }
        }
    }
}
