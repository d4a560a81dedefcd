//! A client of a sagate server: the protocol `sagate.v1` in the library's own types.
//!
//! - [`ServerUrl`]: where a server listens.
//! - [`Access`]: credentials of the client, and authorities that it trusts.
//! - [`Client`]: one connection, for async programs on tokio. It retries when the server asks for it.
//! - [`BlockingClient`]: for synchronous programs, with a bounded number of images in flight.
//! - [`PreparedRequest`]: a request that is sent once, without retries, for load tests.
//! - [`log_level`]: reads and sets the log level of a server.
//! - [`ClientError`]: all errors of the client.

mod access;
mod answer;
mod attempt;
mod blocking;
mod connection;
mod convert;
mod error;
mod log_level;
mod retry;
mod url;

pub use access::{Access, AccessError};
pub use answer::{
    Answer, GateOptions, HealthStatus, InterpretOptions, LayerResult, ModelStatus, Part, SegmentOptions,
    ServedModel, ServerStatus,
};
pub use attempt::{AttemptResult, GatedSegmentation, PreparedRequest};
pub use blocking::{BlockingClient, BlockingInterpretationStream, PendingResponse};
pub use connection::{Client, InterpretationStream};
pub use error::{ClientError, ServerRefusal};
pub use log_level::{LogLevelError, log_level};
pub use retry::{RETRY_JITTER, retry_delay};
pub use url::{DEFAULT_SERVER, ServerUrl};
