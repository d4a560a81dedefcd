//! Who sends a request, how urgent it is and how long the sender waits.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::priority::Priority;

/// Who asks, how urgently, and for how long.
#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// Whose bounds the image counts against.
    pub client: ClientId,
    /// How urgent it is.
    pub priority: Priority,
    /// When the caller stops waiting; `None`: never.
    pub deadline: Option<Instant>,
}

/// Whose image it is: a name that was proven, or an address. Clients share the bounds of the same name.
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
