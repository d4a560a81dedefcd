//! Readiness, metadata and configuration of models.

use std::sync::Arc;

use sagate_core::executor::ModelSpec;

use super::input::{IMAGE, IMAGE_FILE};
use super::output::Output;
use crate::engine::ModelHandle;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::inference::model_config::SchedulingChoice;
use crate::proto::inference::model_input::Format;
use crate::proto::inference::model_metadata_response::TensorMetadata;
use crate::proto::inference::{
    DataType, ModelConfig, ModelDynamicBatching, ModelInput, ModelMetadataResponse, ModelOutput,
    ServerMetadataResponse,
};

/// The platform name in model metadata.
const PLATFORM: &str = "sagate";

/// The supported extensions of the protocol.
const EXTENSIONS: [&str; 5] = [
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
];

/// All loaded models.
pub(crate) fn all(context: &Context) -> Vec<Arc<ModelHandle>> {
    context.engine.models()
}

/// The model with a name and a version; its default version if the version is empty; the server's default if both are empty.
///
/// # Errors
/// An unknown model, or an invalid version.
pub(crate) fn find(name: &str, version: &str, context: &Context) -> Result<Arc<ModelHandle>, ServiceError> {
    Ok(context.engine.find(name, number(version)?)?)
}

/// Parses a version; `None` if it is empty.
///
/// # Errors
/// Not a number from 1.
pub(crate) fn number(version: &str) -> Result<Option<u32>, ServiceError> {
    if version.is_empty() {
        return Ok(None);
    }
    match version.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => {
            let right = "a whole number from 1, or empty for the highest";
            let is = format!("`{version}`");
            Err(ServiceError::field("model_version", is, right))
        }
    }
}

/// Whether a model is ready.
pub(crate) fn is_ready(model: &ModelHandle, context: &Context) -> bool {
    model.is_ready() && context.check_accepting().is_ok()
}

pub(crate) fn server() -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: "sagate".into(),
        version: sagate_core::build::VERSION.into(),
        extensions: EXTENSIONS.map(String::from).into(),
    }
}

/// Inputs and outputs of a model, with the batch dimension.
pub(crate) fn metadata(model: &ModelHandle, context: &Context) -> ModelMetadataResponse {
    let spec = model.contract();
    let name = &spec.id().name;
    let versions = all(context).into_iter().map(|it| it.contract().id().clone());
    let with_images = |sides: Vec<i64>| [vec![-1], sides].concat();
    let inputs = inputs(spec).map(|input| TensorMetadata {
        name: input.name,
        datatype: match DataType::try_from(input.data_type) {
            Ok(DataType::TypeString) => "BYTES".into(),
            _ => "FP32".into(),
        },
        shape: with_images(input.dims),
    });
    let outputs = Output::of(spec).into_iter().map(|output| TensorMetadata {
        name: output.name(),
        datatype: output.datatype().name().into(),
        shape: with_images(output.sides(spec.manifest().classes.len())),
    });
    ModelMetadataResponse {
        name: name.clone(),
        versions: versions
            .filter(|id| id.name == *name)
            .map(|id| id.version.to_string())
            .collect(),
        platform: PLATFORM.into(),
        inputs: inputs.into(),
        outputs: outputs.collect(),
    }
}

/// Configuration of a model.
pub(crate) fn config(model: &ModelHandle, context: &Context) -> ModelConfig {
    let spec = model.contract();
    let outputs = Output::of(spec).into_iter().map(|output| ModelOutput {
        name: output.name(),
        data_type: output.datatype().in_config().into(),
        dims: output.sides(spec.manifest().classes.len()),
    });
    ModelConfig {
        name: spec.id().name.clone(),
        platform: PLATFORM.into(),
        max_batch_size: i32::try_from(context.settings.max_images).unwrap_or(i32::MAX),
        input: inputs(spec).into(),
        output: outputs.collect(),
        // Dynamic batching without a batching delay.
        scheduling_choice: Some(SchedulingChoice::DynamicBatching(ModelDynamicBatching::default())),
    }
}

/// The inputs, of which a request has one. Pixels may have other types too, which the protocol cannot express.
fn inputs(spec: &ModelSpec) -> [ModelInput; 2] {
    let channels = spec.manifest().input.channels.len() as i64;
    [
        ModelInput {
            name: IMAGE.into(),
            data_type: DataType::TypeFp32.into(),
            format: Format::None.into(),
            dims: vec![channels, -1, -1],
            optional: true,
        },
        ModelInput {
            name: IMAGE_FILE.into(),
            data_type: DataType::TypeString.into(),
            format: Format::None.into(),
            dims: vec![1],
            optional: true,
        },
    ]
}
