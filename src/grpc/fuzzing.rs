//! Entry point for fuzzing: parses a request as far as possible without a model.

use prost::Message;
use sagate_core::gate::Policy;
use sagate_core::imaging::{Image, Limits};
use sagate_core::model::Manifest;
use tonic::Code;

use super::error::ServiceError;
use super::pipeline::image_input::ImagePayload;
use super::pipeline::validate;
use crate::config::Settings;
use crate::proto::v1;

/// Parses an `InterpretRequest`, a superset of `SegmentRequest`, as the service does for a model of this manifest: id, gate options,
/// layers, units and image.
///
/// # Errors
/// As the service gives them.
pub fn read_request(
    message: &[u8],
    manifest: &Manifest,
    policy: &Policy,
    limits: &Limits,
) -> Result<Image, ServiceError> {
    let request = v1::InterpretRequest::decode(message).map_err(|error| ServiceError::Wire {
        code: Code::InvalidArgument,
        reason: "MALFORMED_MESSAGE",
        message: error.to_string(),
    })?;
    validate::request_id(request.request_id)?;
    validate::parse_options(&request.options.unwrap_or_default(), policy)?;
    validate::plan(request.layers, request.units, manifest)?;
    let payload = ImagePayload::new(request.image)?;
    payload.hash();
    payload.decode(manifest, limits, Settings::default().imaging)
}
