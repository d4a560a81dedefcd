//! Client, priority and deadline of a request.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::priority::Priority;

/// Client, priority and deadline of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// Client whose limits the image counts against.
    pub client: ClientId,
    /// Priority.
    pub priority: Priority,
    /// When the caller stops waiting; `None`: never.
    pub deadline: Option<Instant>,
}

/// Identifies a client for limits: an authenticated name, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// A client of this name.
    pub fn new(name: impl Into<Arc<str>>) -> ClientId {
        ClientId(name.into())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
