//! Entry point for fuzzing: parses an inference as far as possible without a model.

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
use crate::grpc::pipeline::image_input::ImagePayload;
use crate::grpc::pipeline::validate;
use crate::proto::inference::ModelInferRequest;
use crate::proto::v1;

/// Encoding of an inference request.
#[derive(Debug, Clone, Copy)]
pub enum InferenceForm {
    /// A protobuf message.
    Grpc,
    /// An HTTP body of JSON, optionally followed by binary tensors.
    Http {
        /// `Inference-Header-Content-Length`; `None`: not set.
        json_length: Option<usize>,
    },
}

/// Parses an inference of the Open Inference Protocol as the service does for a model of this manifest: parameters, gate options and
/// images.
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
    validate::parse_options(&options, policy)?;
    let images = input::images(&mut request, &parameters, Settings::default().server.max_images)?;
    let decode = |image| {
        let payload = ImagePayload::new(Some(image))?;
        payload.hash();
        payload.decode(manifest, limits, Settings::default().imaging)
    };
    images.into_iter().map(decode).collect()
}
