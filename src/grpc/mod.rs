//! The service over gRPC: `sagate.v1`, standard health and reflection.
//!
//! | folder | what it does |
//! |---|---|
//! | `transport` | connections: TLS, age, limits, codec, memory of requests being received and of responses being written |
//! | `middleware` | in front of every call: access log, authorization, deadlines, CORS, start of the call |
//! | `pipeline` | one image: validate, read the input, admit, respond |
//! | `v1` | the methods of `sagate.v1` |
//!
//! `context` is the state shared by all calls. `error` maps errors to gRPC status codes. `server` assembles everything, the Open Inference
//! Protocol ([`crate::oip`]) included.
//!
//! Everything is bounded: connections and headers, bytes before admission (`transport::receive`), images after it (the engine), responses
//! until they are written (`transport::outgoing`), and time (`middleware::deadline`).

pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod fuzzing;
mod health;
pub(crate) mod middleware;
pub(crate) mod pipeline;
mod server;
pub(crate) mod transport;
pub(crate) mod v1;

pub use context::ServerComponents;
pub use error::{DOMAIN, RETRY_SPREAD, ServiceError};
pub use fuzzing::read_request;
pub use pipeline::messages::reason;
pub use server::{Addresses, BoundServer, Ended, ServerError};
pub use transport::connection_age::{AGE_SPREAD, ConnectionAge};
