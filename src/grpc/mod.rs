//! The service over gRPC: `sagate.v1.QualityControl`, the Open Inference Protocol, standard health and reflection.
//!
//! The way of a request: `order` checks what is asked for, `arrival` takes a place in the queue and brings the image into the form
//! that the model takes, the engine answers, `answer` puts that into the protocol's messages. `error` is the one table from what can
//! go wrong to gRPC's codes. `incoming` takes connections and encrypts them, `guard` stands in front of every call.

mod aged;
mod answer;
mod arrival;
mod asker;
pub(crate) mod codec;
mod deadline;
mod error;
mod grid;
mod guard;
mod health;
mod incoming;
pub mod inference;
mod interpret;
mod model_admin;
mod models;
mod oip;
mod order;
mod picture;
mod probe;
mod segment;
mod server;
mod service;
mod status;
mod stream;
pub mod v1;
mod web;
mod wire;

pub use answer::reason;
pub use error::{DOMAIN, ServiceError};
pub use oip::{InferenceForm, read_inference};
pub use probe::read_request;
pub use server::{Addresses, Ended, Parts, ServerError, Serving};
