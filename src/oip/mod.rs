//! The Open Inference Protocol (KServe's, with Triton's extensions): an adapter to `sagate.v1`.
//!
//! A request becomes one `sagate.v1` request per image (`inference_spec`, from `parameters`, `input` and `output`), which go through the
//! same pipeline, queue and gate (`infer`); the results become tensors (`answer`). `docs/reference/protocols.md` lists every input, output
//! and parameter.

mod answer;
mod datatype;
mod fuzzing;
mod grpc;
pub(crate) mod http;
mod infer;
mod inference_spec;
mod input;
mod model;
mod output;
mod parameters;
mod repository;
mod statistics;

pub use fuzzing::{InferenceForm, read_inference};
pub(crate) use grpc::service::Inference;
