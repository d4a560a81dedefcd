//! Validation of a request: model, gate options, response format. Nothing is decoded yet.

use std::sync::Arc;

use sagate_core::executor::{Resolution, Segmentation};
use sagate_core::gate::Policy;
use sagate_core::model::Manifest;
use sagate_core::nn::layers::{LAYER_COUNT, LAYERS, Layer};

use super::caller::Caller;
use crate::config::Role;
use crate::engine::{
    Engine, InterpretationPlan, ModelHandle, Priority, RequestContext, Route, UnitOrder, UnitSelection,
};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::v1;
use crate::telemetry::{LONGEST_ID, is_request_id};

/// What a response holds beside the decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseFormat {
    pub mask: v1::MaskFormat,
    pub probabilities: bool,
}

impl ResponseFormat {
    /// Number of values to encode for a result in this format; `usize::MAX` for a compressed mask, which always takes long.
    pub fn values(self, result: &Segmentation) -> usize {
        let probabilities = if self.probabilities {
            result.probability.len()
        } else {
            0
        };
        match self.mask {
            v1::MaskFormat::Unspecified | v1::MaskFormat::None | v1::MaskFormat::Bits => {
                result.labels.len() + probabilities
            }
            v1::MaskFormat::Rle | v1::MaskFormat::Png | v1::MaskFormat::Nifti => usize::MAX,
        }
    }
}

/// A validated request: which model runs, and with which options.
#[derive(Clone)]
pub(crate) struct RequestSpec {
    pub request_id: String,
    pub model: Arc<ModelHandle>,
    /// The shadow version, if one sees this request.
    pub shadow: Option<Arc<ModelHandle>>,
    pub request_context: RequestContext,
    pub policy: Policy,
    pub format: ResponseFormat,
}

/// What a response holds of an interpretation's layers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerFormat {
    pub probability: v1::ProbabilityFormat,
    pub labels: bool,
}

/// Validates the options of a request and routes it to a model version.
///
/// # Errors
/// The first invalid field, an unknown model, or a priority that the caller's roles do not allow.
pub(crate) fn parse_request(
    context: &Context,
    caller: &Caller,
    request_id: String,
    options: &v1::SegmentationOptions,
) -> Result<RequestSpec, ServiceError> {
    let (name, version) = model_name(options.model.as_ref());
    let Route { model, shadow } = context.engine.route(name, version, &request_id)?;
    let (policy, format, priority) = parse_options(options, &context.policy)?;
    if priority == Priority::Urgent {
        context.security.require_role(&caller.client, Role::Urgent)?;
    }
    Ok(RequestSpec {
        request_id,
        model,
        shadow,
        request_context: RequestContext {
            priority,
            ..caller.request_context.clone()
        },
        policy,
        format,
    })
}

/// Parses the gate policy, the response format and the priority.
///
/// # Errors
/// The first invalid field.
pub(crate) fn parse_options(
    options: &v1::SegmentationOptions,
    settings: &Policy,
) -> Result<(Policy, ResponseFormat, Priority), ServiceError> {
    let (coverage, threshold) = match options.gate {
        None => (None, None),
        Some(v1::segmentation_options::Gate::Coverage(coverage)) => (Some(coverage), None),
        Some(v1::segmentation_options::Gate::Threshold(threshold)) => (None, Some(threshold)),
    };
    let policy = settings.with_request(coverage, threshold)?;
    let format = ResponseFormat {
        mask: parse_enum("options.mask_format", options.mask_format)?,
        probabilities: options.probabilities,
    };
    Ok((policy, format, priority(options)?))
}

/// The referenced model.
///
/// # Errors
/// No model has that name and version.
pub(crate) fn model(
    reference: Option<&v1::ModelReference>,
    engine: &Engine,
) -> Result<Arc<ModelHandle>, ServiceError> {
    let (name, version) = model_name(reference);
    Ok(engine.find(name, version)?)
}

/// Name and version of a reference; version 0 is `None`.
pub(crate) fn model_name(reference: Option<&v1::ModelReference>) -> (&str, Option<u32>) {
    let (name, version) = reference.map_or(("", 0), |it| (it.name.as_str(), it.version));
    (name, (version > 0).then_some(version))
}

/// Validates a request id; an empty one is replaced by a random one.
///
/// # Errors
/// It is too long, or has characters that are not safe in logs and labels.
pub(crate) fn request_id(id: String) -> Result<String, ServiceError> {
    if id.is_empty() {
        return Ok(format!("{:032x}", rand::random::<u128>()));
    }
    if !is_request_id(&id) {
        // The id is not repeated in the message: it may hold anything.
        let is = format!("{} bytes long, or holds other characters", id.len());
        let right = format!("at most {LONGEST_ID} of A-Z, a-z, 0-9, '-', '_', '.', ':' and '/'");
        return Err(ServiceError::field("request_id", is, right));
    }
    Ok(id)
}

/// Validates the layers and units of an interpretation.
///
/// # Errors
/// The first invalid field.
pub(crate) fn plan(
    layers: Option<v1::LayerOptions>,
    units: Vec<v1::UnitOptions>,
    manifest: &Manifest,
) -> Result<(InterpretationPlan, LayerFormat), ServiceError> {
    let options = layers.unwrap_or_default();
    let mut numbers = Vec::new();
    for (index, &layer) in options.layers.iter().enumerate() {
        let number = layer_number(&format!("layers.layers[{index}]"), layer)?;
        if numbers.contains(&number) {
            let field = format!("layers.layers[{index}]");
            return Err(ServiceError::field(
                field,
                format!("{number} once more"),
                "a layer that was not named before",
            ));
        }
        numbers.push(number);
    }
    if options.skip && !numbers.is_empty() {
        let is = format!("{} layers, with layers.skip", numbers.len());
        return Err(ServiceError::field(
            "layers.layers",
            is,
            "empty, or layers.skip false",
        ));
    }
    if numbers.is_empty() && !options.skip {
        numbers = LAYERS.iter().map(|layer| layer.number).collect();
    }
    numbers.sort_unstable();
    let format = LayerFormat {
        probability: parse_enum("layers.probability", options.probability)?,
        labels: options.labels,
    };
    let resolution = match parse_enum("layers.resolution", options.resolution)? {
        v1::Resolution::Layer => Resolution::Layer,
        v1::Resolution::Unspecified | v1::Resolution::Image => Resolution::Image,
    };
    if units.len() > LAYER_COUNT {
        let is = format!("{} entries", units.len());
        return Err(ServiceError::field("units", is, format!("at most {LAYER_COUNT}")));
    }
    let mut plans: Vec<UnitSelection> = Vec::new();
    for (index, options) in units.into_iter().enumerate() {
        let plan = unit_plan(index, &options, manifest)?;
        if plans
            .iter()
            .any(|it| (it.layer, it.class) == (plan.layer, plan.class))
        {
            let is = format!("layer {} and class {} once more", plan.layer, plan.class);
            return Err(ServiceError::field(
                format!("units[{index}]"),
                is,
                "another layer or class",
            ));
        }
        plans.push(plan);
    }
    let plan = InterpretationPlan {
        layers: numbers,
        resolution,
        units: plans,
    };
    Ok((plan, format))
}

fn unit_plan(
    index: usize,
    options: &v1::UnitOptions,
    manifest: &Manifest,
) -> Result<UnitSelection, ServiceError> {
    let classes = manifest.classes.len();
    let class = options.class.max(1) as usize;
    if class > classes {
        let field = format!("units[{index}].class");
        return Err(ServiceError::field(
            field,
            class,
            format!("a class of the model, 1 to {classes}"),
        ));
    }
    let layer = layer_number(&format!("units[{index}].layer"), options.layer)?;
    // At most the units that exist, or the queue would account for SAMs that are never computed.
    let units = Layer::by_number(layer).map_or(0, |layer| {
        layer.channels(manifest.architecture.base_width) as usize
    });
    Ok(UnitSelection {
        layer,
        class,
        count: units.min(options.count as usize),
        choice: match parse_enum(&format!("units[{index}].order"), options.order)? {
            v1::UnitOrder::Spread => UnitOrder::Spread,
            v1::UnitOrder::Unspecified | v1::UnitOrder::Best => UnitOrder::Best,
        },
        average: options.average,
    })
}

fn layer_number(field: &str, layer: u32) -> Result<usize, ServiceError> {
    let number = layer as usize;
    if (1..=LAYER_COUNT).contains(&number) {
        Ok(number)
    } else {
        Err(ServiceError::field(
            field,
            layer,
            format!("a layer, 1 to {LAYER_COUNT}"),
        ))
    }
}

/// Parses a value of a protobuf enumeration.
///
/// # Errors
/// A value that this version of the protocol does not define.
pub(crate) fn parse_enum<E: TryFrom<i32>>(field: &str, value: i32) -> Result<E, ServiceError> {
    E::try_from(value)
        .map_err(|_| ServiceError::field(field, value, "a value that sagate.v1 names for this field"))
}

/// The priority of an image.
///
/// # Errors
/// A value that this version of the protocol does not define.
fn priority(options: &v1::SegmentationOptions) -> Result<Priority, ServiceError> {
    Ok(match parse_enum("options.priority", options.priority)? {
        v1::Priority::Urgent => Priority::Urgent,
        v1::Priority::Unspecified | v1::Priority::Routine => Priority::Routine,
        v1::Priority::Batch => Priority::Batch,
    })
}
