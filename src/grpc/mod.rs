//! The service over gRPC: `sagate.v1.QualityControl`, the Open Inference Protocol, standard health and reflection.
//!
//! The way of a request: `order` checks what is asked for, `arrival` takes a place in the queue and brings the image into the form
//! that the model takes, the engine answers, `answer` puts that into the protocol's messages. `error` is the one table from what can
//! go wrong to gRPC's codes. `incoming` takes connections and encrypts them, `access` learns who asks and logs the call, `guard` stands in
//! front of every call.
//!
//! Everything is bounded: `connection_limit` connections, `header_limit` headers, `receive` what is not admitted yet, the engine what is,
//! `outgoing` answers until they are written, `deadline` the time of it all.

mod access;
mod aged;
mod answer;
mod arrival;
mod begun;
mod caller;
pub(crate) mod codec;
mod connection_limit;
mod deadline;
mod error;
mod field_limit;
mod grid;
mod guard;
mod header_limit;
mod health;
mod incoming;
pub mod inference;
mod interpret;
mod model_admin;
mod models;
mod oip;
mod order;
mod outgoing;
mod picture;
mod probe;
mod receive;
mod segment;
mod server;
mod service;
mod status;
mod stream;
pub mod v1;
mod web;
mod wire;

pub use aged::{AGE_SPREAD, ConnectionAge};
pub use answer::reason;
pub use error::{DOMAIN, RETRY_SPREAD, ServiceError};
pub use oip::{InferenceForm, read_inference};
pub use probe::read_request;
pub use server::{Addresses, Ended, Parts, ServerError, Serving};
