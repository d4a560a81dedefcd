//! The Open Inference Protocol over gRPC.

pub(crate) mod service;
pub(crate) mod stream;
