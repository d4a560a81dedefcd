//! The service over gRPC: `sagate.v1`, standard health and reflection.
//!
//! | folder | what it does |
//! |---|---|
//! | `transport` | connections: TLS, age, limits, codec, requests as they arrive and answers until they are written |
//! | `middleware` | in front of every call: access log, authorization, deadlines, CORS, the start of its measurement |
//! | `pipeline` | one image: validate, read the input, admit, respond |
//! | `v1` | the methods of `sagate.v1` |
//!
//! `context` holds what every call works with. `error` is the one table from what can go wrong to gRPC's codes. `server` puts all of it
//! together, the Open Inference Protocol ([`crate::oip`]) included.
//!
//! Everything is bounded: connections and headers, bytes before admission (`transport::receive`), images after it (the engine), answers
//! until they are written (`transport::outgoing`), and the time of it all (`middleware::deadline`).

pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod fuzzing;
mod health;
pub(crate) mod middleware;
pub(crate) mod pipeline;
mod server;
pub(crate) mod transport;
pub(crate) mod v1;

pub use context::Parts;
pub use error::{DOMAIN, RETRY_SPREAD, ServiceError};
pub use fuzzing::read_request;
pub use pipeline::messages::reason;
pub use server::{Addresses, Ended, ServerError, Serving};
pub use transport::connection_age::{AGE_SPREAD, ConnectionAge};
