//! A client of a sagate server: the protocol `sagate.v1` in the library's own types.
//!
//! - [`ServerUrl`]: where a server listens.
//! - [`Access`]: how a client proves who it is, and which servers it believes.
//! - [`Client`]: one connection, for programs that run on tokio; it waits and asks again where the server says so.
//! - [`BlockingClient`]: the same for programs that do not, with a bounded number of images on their way at once.
//! - [`Prepared`]: a request that is sent once, whatever comes of it, for load tests.
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
    Answer, GateAsk, InterpretOptions, LayerSeen, ModelStatus, Part, SegmentOptions, ServedModel,
    ServerStatus, Serving,
};
pub use attempt::{Attempted, Judged, Prepared};
pub use blocking::{BlockingClient, BlockingParts, PendingResponse};
pub use connection::{Client, Parts};
pub use error::{ClientError, Refusal};
pub use log_level::{LogLevelError, log_level};
pub use retry::{RETRY_JITTER, retry_delay};
pub use url::{DEFAULT_SERVER, ServerUrl};
