//! What is told of models: whether they answer, what they take and give, how they are set up.

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

/// What runs the models.
const PLATFORM: &str = "sagate";

/// The extensions of the protocol that are spoken.
const EXTENSIONS: [&str; 5] = [
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
];

/// Every model that is served.
pub(crate) fn all(context: &Context) -> Vec<Arc<ModelHandle>> {
    context.engine.models()
}

/// The model of a name and a version, the highest where the version is empty; where both are empty, the server's default.
///
/// # Errors
/// There is none, or the version is no number.
pub(crate) fn find(name: &str, version: &str, context: &Context) -> Result<Arc<ModelHandle>, ServiceError> {
    Ok(context.engine.find(name, number(version)?)?)
}

/// A version as a number; `None` where it is empty.
///
/// # Errors
/// It is something else.
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

/// Whether a model takes images now.
pub(crate) fn is_ready(hosted: &ModelHandle, context: &Context) -> bool {
    hosted.is_ready() && context.open().is_ok()
}

pub(crate) fn server() -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: "sagate".into(),
        version: sagate_core::build::VERSION.into(),
        extensions: EXTENSIONS.map(String::from).into(),
    }
}

/// What a model takes and gives, with the side of a request's images.
pub(crate) fn metadata(hosted: &ModelHandle, context: &Context) -> ModelMetadataResponse {
    let contract = hosted.contract();
    let name = &contract.id().name;
    let versions = all(context).into_iter().map(|it| it.contract().id().clone());
    let with_images = |sides: Vec<i64>| [vec![-1], sides].concat();
    let inputs = inputs(contract).map(|input| TensorMetadata {
        name: input.name,
        datatype: match DataType::try_from(input.data_type) {
            Ok(DataType::TypeString) => "BYTES".into(),
            _ => "FP32".into(),
        },
        shape: with_images(input.dims),
    });
    let outputs = Output::of(contract).into_iter().map(|output| TensorMetadata {
        name: output.name(),
        datatype: output.datatype().name().into(),
        shape: with_images(output.sides(contract.manifest().classes.len())),
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

/// How a model is set up.
pub(crate) fn config(hosted: &ModelHandle, context: &Context) -> ModelConfig {
    let contract = hosted.contract();
    let outputs = Output::of(contract).into_iter().map(|output| ModelOutput {
        name: output.name(),
        data_type: output.datatype().in_config().into(),
        dims: output.sides(contract.manifest().classes.len()),
    });
    ModelConfig {
        name: contract.id().name.clone(),
        platform: PLATFORM.into(),
        max_batch_size: i32::try_from(context.settings.max_images).unwrap_or(i32::MAX),
        input: inputs(contract).into(),
        output: outputs.collect(),
        // Images that wait meet in a batch; none waits for more to come.
        scheduling_choice: Some(SchedulingChoice::DynamicBatching(ModelDynamicBatching::default())),
    }
}

/// The inputs, of which a request has one. Pixels may be of other types as well, which the protocol has no word for.
fn inputs(contract: &ModelSpec) -> [ModelInput; 2] {
    let channels = contract.manifest().input.channels.len() as i64;
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
