//! A request read as far as it goes without a model: what fuzzing feeds.

use prost::Message;
use sagate_core::gate::Policy;
use sagate_core::imaging::{Image, Limits};
use sagate_core::model::Manifest;
use tonic::Code;

use super::error::ServiceError;
use super::pipeline::image_input::Sent;
use super::pipeline::validate;
use crate::config::Settings;
use crate::proto::v1;

/// Reads an `InterpretRequest`, which holds all that a `SegmentRequest` does, off the wire: its id, what is asked of the gate, of layers
/// and units, and its image, as the service does for a model of this manifest.
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
    validate::wishes(&request.options.unwrap_or_default(), policy)?;
    validate::plan(request.layers, request.units, manifest)?;
    let sent = Sent::new(request.image)?;
    sent.hash();
    sent.decode(manifest, limits, Settings::default().imaging)
}
