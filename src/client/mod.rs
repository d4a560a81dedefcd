//! A client of a sagate server: the protocol `sagate.v1` in the library's own types.
//!
//! - [`ServerUrl`]: where a server listens.
//! - [`Access`]: how a client proves who it is, and which servers it believes.
//! - [`Client`]: one connection, for programs that run on tokio; it waits and asks again where the server says so.
//! - [`BlockingClient`]: the same for programs that do not, with a bounded number of images on their way at once.
//! - [`PreparedRequest`]: a request that is sent once, whatever comes of it, for load tests.
//! - [`log_level`]: how much a server logs, read and changed.
//! - [`ClientError`]: why there is no answer, in a sentence.

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
