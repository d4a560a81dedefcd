//! An inference read as far as it goes without a model: what fuzzing feeds.

use bytes::Bytes;
use prost::Message;
use sagate_core::gate::Policy;
use sagate_core::imaging::{Image, Limits};
use sagate_core::model::Manifest;
use tonic::Code;

use super::parameters::Parameters;
use super::{http, input};
use crate::config::Settings;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::image_input::Sent;
use crate::grpc::pipeline::validate;
use crate::proto::inference::ModelInferRequest;
use crate::proto::v1;

/// How an inference comes.
#[derive(Debug, Clone, Copy)]
pub enum InferenceForm {
    /// As a protobuf message.
    Grpc,
    /// As a body of HTTP, whose first bytes, so many or all, are JSON.
    Http {
        /// What `Inference-Header-Content-Length` says; `None`: nothing.
        json_length: Option<usize>,
    },
}

/// Reads an inference of the Open Inference Protocol: its parameters, what is asked of the gate, and its images, as the service does for
/// a model of this manifest.
///
/// # Errors
/// As the service gives them.
pub fn read_inference(
    message: &[u8],
    form: InferenceForm,
    manifest: &Manifest,
    policy: &Policy,
    limits: &Limits,
) -> Result<Vec<Image>, ServiceError> {
    let message = Bytes::copy_from_slice(message);
    let mut request = match form {
        InferenceForm::Grpc => ModelInferRequest::decode(message).map_err(|error| ServiceError::Wire {
            code: Code::InvalidArgument,
            reason: "MALFORMED_MESSAGE",
            message: error.to_string(),
        })?,
        InferenceForm::Http { json_length } => {
            http::request::read(String::new(), String::new(), message, json_length)?.0
        }
    };
    let parameters = Parameters::read(std::mem::take(&mut request.parameters))?;
    let options = v1::SegmentationOptions {
        gate: parameters.gate,
        ..Default::default()
    };
    validate::wishes(&options, policy)?;
    let images = input::images(&mut request, &parameters, Settings::default().server.max_images)?;
    let decode = |image| {
        let sent = Sent::new(Some(image))?;
        sent.hash();
        sent.decode(manifest, limits, Settings::default().imaging)
    };
    images.into_iter().map(decode).collect()
}
