//! A request, checked: which images, what is wanted of them, by when.

use super::output;
use super::output::Output;
use super::parameters::{Parameters, only};
use super::{input, model};
use crate::config::Role;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::validate;
use crate::grpc::pipeline::validate::{Form, Order};
use crate::proto::inference::ModelInferRequest;
use crate::proto::v1;

/// What a request asks for.
pub(crate) struct Ask {
    /// The caller's name for the request, as it came.
    pub id: String,
    pub images: Vec<v1::Image>,
    /// Who answers, how and until when: the same version for every image.
    pub order: Order,
    pub outputs: Vec<Output>,
}

impl Ask {
    /// Checks a request. `caller` is who asks, and when it stops waiting anyway.
    ///
    /// # Errors
    /// The first field that is wrong, a model that is not there, or an output that the caller may not see.
    pub fn read(
        context: &Context,
        mut request: ModelInferRequest,
        caller: &Caller,
    ) -> Result<Ask, ServiceError> {
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
        // A request without an id has one here, so that a canary takes the whole of it or nothing.
        let request_id = validate::request_id(request.id.clone())?;
        let mut order = validate::order(context, caller, request_id, &options)?;
        let outputs = outputs(&request, &Output::of(order.hosted.contract()))?;
        if outputs.iter().any(|output| output.is_interpretation()) {
            context.trust.require_role(&caller.client, Role::Interpret)?;
        }
        order.form = Form {
            mask: if outputs.contains(&Output::Mask) {
                v1::MaskForm::Bits
            } else {
                v1::MaskForm::None
            },
            probabilities: outputs.contains(&Output::Probability),
        };
        let deadlines = [order.request_context.deadline, parameters.deadline];
        order.request_context.deadline = deadlines.into_iter().flatten().min();
        let images = input::images(&mut request, &parameters, context.settings.max_images)?;
        caller.count_images(&context.trust, images.len())?;
        Ok(Ask {
            images,
            id: request.id,
            order,
            outputs,
        })
    }

    /// What is wanted of the layers; `None`: nothing.
    pub fn layers(&self) -> Option<v1::LayerOptions> {
        let sams: Vec<u32> = self.outputs.iter().filter_map(|&output| sam(output)).collect();
        let all = self.outputs.contains(&Output::LayerSa);
        (all || !sams.is_empty()).then(|| v1::LayerOptions {
            labels: !sams.is_empty(),
            // None is all.
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

/// The outputs that are asked for, each once.
fn outputs(request: &ModelInferRequest, given: &[Output]) -> Result<Vec<Output>, ServiceError> {
    if request.outputs.is_empty() {
        return Ok(output::DEFAULT.to_vec());
    }
    let mut outputs = Vec::new();
    for (index, asked) in request.outputs.iter().enumerate() {
        let field = format!("outputs[{index}]");
        only(&field, &asked.parameters, "binary_data")?;
        let Some(&output) = given.iter().find(|output| output.name() == asked.name) else {
            let names: Vec<String> = given.iter().map(|output| output.name()).collect();
            let right = format!("what this model gives: {}", names.join(", "));
            let is = format!("`{}`", asked.name);
            return Err(ServiceError::field(format!("{field}.name"), is, right));
        };
        if outputs.contains(&output) {
            let is = format!("`{}` once more", asked.name);
            let right = "an output that was not named before";
            return Err(ServiceError::field(format!("{field}.name"), is, right));
        }
        outputs.push(output);
    }
    Ok(outputs)
}
