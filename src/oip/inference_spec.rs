//! Validation of an inference request: images, outputs, options, deadline.

use super::output;
use super::output::Output;
use super::parameters::{Parameters, only};
use super::{input, model};
use crate::config::Role;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::validate;
use crate::grpc::pipeline::validate::{RequestSpec, ResponseFormat};
use crate::proto::inference::ModelInferRequest;
use crate::proto::v1;

/// A validated inference request.
pub(crate) struct InferenceSpec {
    /// The caller's request id, unchanged.
    pub id: String,
    pub images: Vec<v1::Image>,
    /// Model version, options and deadline, common to all images.
    pub spec: RequestSpec,
    pub outputs: Vec<Output>,
}

impl InferenceSpec {
    /// Validates a request. The deadline is the earlier of the caller's and the request's.
    ///
    /// # Errors
    /// The first invalid field, an unknown model, or an output that the caller's roles do not allow.
    pub fn parse(
        context: &Context,
        mut request: ModelInferRequest,
        caller: &Caller,
    ) -> Result<InferenceSpec, ServiceError> {
        let parameters = Parameters::read(std::mem::take(&mut request.parameters))?;
        let options = v1::SegmentationOptions {
            model: Some(v1::ModelReference {
                name: std::mem::take(&mut request.model_name),
                version: model::number(&request.model_version)?.unwrap_or(0),
            }),
            gate: parameters.gate,
            priority: parameters.priority.into(),
            ..Default::default()
        };
        // A missing id is generated here, so that all images go to the same version of a canary.
        let request_id = validate::request_id(request.id.clone())?;
        let mut spec = validate::parse_request(context, caller, request_id, &options)?;
        let outputs = outputs(&request, &Output::of(spec.model.contract()))?;
        if outputs.iter().any(|output| output.is_interpretation()) {
            context.security.require_role(&caller.client, Role::Interpret)?;
        }
        spec.format = ResponseFormat {
            mask: if outputs.contains(&Output::Mask) {
                v1::MaskFormat::Bits
            } else {
                v1::MaskFormat::None
            },
            probabilities: outputs.contains(&Output::Probability),
        };
        let deadlines = [spec.request_context.deadline, parameters.deadline];
        spec.request_context.deadline = deadlines.into_iter().flatten().min();
        let images = input::images(&mut request, &parameters, context.settings.max_images)?;
        caller.count_images(&context.security, images.len())?;
        Ok(InferenceSpec {
            images,
            id: request.id,
            spec,
            outputs,
        })
    }

    /// Options of the layers; `None`: no interpretation.
    pub fn layers(&self) -> Option<v1::LayerOptions> {
        let sams: Vec<u32> = self.outputs.iter().filter_map(|&output| sam(output)).collect();
        let all = self.outputs.contains(&Output::LayerSa);
        (all || !sams.is_empty()).then(|| v1::LayerOptions {
            labels: !sams.is_empty(),
            // Empty means all layers.
            layers: if all { Vec::new() } else { sams },
            ..Default::default()
        })
    }
}

fn sam(output: Output) -> Option<u32> {
    match output {
        Output::Sam(layer) => Some(layer as u32),
        _ => None,
    }
}

/// The requested outputs, each once.
fn outputs(request: &ModelInferRequest, available: &[Output]) -> Result<Vec<Output>, ServiceError> {
    if request.outputs.is_empty() {
        return Ok(output::DEFAULT.to_vec());
    }
    let mut outputs = Vec::new();
    for (index, requested) in request.outputs.iter().enumerate() {
        let field = format!("outputs[{index}]");
        only(&field, &requested.parameters, "binary_data")?;
        let Some(&output) = available.iter().find(|output| output.name() == requested.name) else {
            let names: Vec<String> = available.iter().map(|output| output.name()).collect();
            let right = format!("what this model gives: {}", names.join(", "));
            let is = format!("`{}`", requested.name);
            return Err(ServiceError::field(format!("{field}.name"), is, right));
        };
        if outputs.contains(&output) {
            let is = format!("`{}` once more", requested.name);
            let right = "an output that was not named before";
            return Err(ServiceError::field(format!("{field}.name"), is, right));
        }
        outputs.push(output);
    }
    Ok(outputs)
}
