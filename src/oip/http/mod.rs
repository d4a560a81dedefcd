//! The Open Inference Protocol over HTTP/JSON, with the extension for binary tensors: a codec around the gRPC methods.
//!
//! `routes` maps paths to methods, `body` reads request bodies, `request` and `answer` convert between JSON and messages (`elements`: tensor
//! elements; `members`: other members; `in_json`: metadata), `failure` maps errors to status codes, `connections` limits connections.

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

/// The header with the number of JSON bytes of a body; binary tensors follow.
const JSON_LENGTH: &str = "inference-header-content-length";
