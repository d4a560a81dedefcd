//! The Open Inference Protocol over HTTP/JSON, with the extension for binary tensors: a codec around the same calls that gRPC answers.
//!
//! `routes` maps paths to calls, `body` reads what comes, `request` and `answer` turn it into messages and back (`elements`: the numbers
//! in them; `members`: what is beside them; `in_json`: what is told of models), `failure` maps errors to statuses, `connections` bounds who may be connected, for how long.

mod answer;
mod body;
mod connections;
mod elements;
mod failure;
mod guard;
mod in_json;
mod members;
pub(crate) mod request;
mod routes;

pub(crate) use connections::serve;

/// The header that says how many bytes of a body are JSON; binary tensors follow.
const JSON_LENGTH: &str = "inference-header-content-length";
