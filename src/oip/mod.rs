//! The Open Inference Protocol (KServe's, with Triton's extensions): other words for what `sagate.v1` does.
//!
//! A request becomes one of `sagate.v1` for each of its images (`ask`, from `parameters`, `input` and `output`); each goes the way of all
//! images and so through the same checks, queue and gate (`infer`); what comes back becomes tensors (`answer`). `docs/reference/protocols.md` lists
//! every input, output and parameter.

mod answer;
mod ask;
mod datatype;
mod fuzzing;
mod grpc;
pub(crate) mod http;
mod infer;
mod input;
mod model;
mod output;
mod parameters;
mod repository;
mod statistics;

pub use fuzzing::{InferenceForm, read_inference};
pub(crate) use grpc::service::Inference;
