//! A request, checked: which model, what of the gate, which form of answer. Nothing is decoded yet.

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

/// What an answer shall hold beside the decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub mask: v1::MaskForm,
    pub probabilities: bool,
}

impl Form {
    /// How many values it takes to put a result into this form; no number is too high for a mask that is packed.
    pub fn values(self, result: &Segmentation) -> usize {
        let probabilities = if self.probabilities {
            result.probability.len()
        } else {
            0
        };
        match self.mask {
            v1::MaskForm::Unspecified | v1::MaskForm::None | v1::MaskForm::Bits => {
                result.labels.len() + probabilities
            }
            v1::MaskForm::Rle | v1::MaskForm::Png | v1::MaskForm::Nifti => usize::MAX,
        }
    }
}

/// Who shall look at an image, and how.
#[derive(Clone)]
pub(crate) struct Order {
    pub request_id: String,
    pub hosted: Arc<ModelHandle>,
    /// A version that looks on.
    pub shadow: Option<Arc<ModelHandle>>,
    pub request_context: RequestContext,
    pub policy: Policy,
    pub form: Form,
}

/// What is shown of an interpretation's layers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerForm {
    pub probability: v1::ProbabilityForm,
    pub labels: bool,
}

/// Checks the options of a request, and chooses the version that answers it.
///
/// # Errors
/// The first field that is wrong, a model that is not there, or an urgency that the caller may not ask for.
pub(crate) fn order(
    context: &Context,
    caller: &Caller,
    request_id: String,
    options: &v1::SegmentationOptions,
) -> Result<Order, ServiceError> {
    let (name, version) = named(options.model.as_ref());
    let Route {
        model: hosted,
        shadow,
    } = context.engine.route(name, version, &request_id)?;
    let (policy, form, priority) = wishes(options, &context.policy)?;
    if priority == Priority::Urgent {
        context.trust.require_role(&caller.client, Role::Urgent)?;
    }
    Ok(Order {
        request_id,
        hosted,
        shadow,
        request_context: RequestContext {
            priority,
            ..caller.request_context.clone()
        },
        policy,
        form,
    })
}

/// What of the gate, which form of answer, and how urgent it is.
///
/// # Errors
/// The first field that is wrong.
pub(crate) fn wishes(
    options: &v1::SegmentationOptions,
    settings: &Policy,
) -> Result<(Policy, Form, Priority), ServiceError> {
    let (coverage, threshold) = match options.gate {
        None => (None, None),
        Some(v1::segmentation_options::Gate::Coverage(coverage)) => (Some(coverage), None),
        Some(v1::segmentation_options::Gate::Threshold(threshold)) => (None, Some(threshold)),
    };
    let policy = settings.with_request(coverage, threshold)?;
    let form = Form {
        mask: known("options.mask_form", options.mask_form)?,
        probabilities: options.probabilities,
    };
    Ok((policy, form, priority(options)?))
}

/// The model that is asked for.
///
/// # Errors
/// There is none of that name and version.
pub(crate) fn model(
    reference: Option<&v1::ModelReference>,
    engine: &Engine,
) -> Result<Arc<ModelHandle>, ServiceError> {
    let (name, version) = named(reference);
    Ok(engine.find(name, version)?)
}

/// Name and version that a reference names.
pub(crate) fn named(reference: Option<&v1::ModelReference>) -> (&str, Option<u32>) {
    let (name, version) = reference.map_or(("", 0), |it| (it.name.as_str(), it.version));
    (name, (version > 0).then_some(version))
}

/// Checks a request id; an empty one is replaced by a new one.
///
/// # Errors
/// It is too long, or has characters that logs and labels are better without.
pub(crate) fn request_id(id: String) -> Result<String, ServiceError> {
    if id.is_empty() {
        return Ok(format!("{:032x}", rand::random::<u128>()));
    }
    if !is_request_id(&id) {
        // The id itself is not repeated: what does not keep to the rule may hold anything.
        let is = format!("{} bytes long, or holds other characters", id.len());
        let right = format!("at most {LONGEST_ID} of A-Z, a-z, 0-9, '-', '_', '.', ':' and '/'");
        return Err(ServiceError::field("request_id", is, right));
    }
    Ok(id)
}

/// Checks what an interpretation shall show.
///
/// # Errors
/// The first field that is wrong.
pub(crate) fn plan(
    layers: Option<v1::LayerOptions>,
    units: Vec<v1::UnitOptions>,
    manifest: &Manifest,
) -> Result<(InterpretationPlan, LayerForm), ServiceError> {
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
    let form = LayerForm {
        probability: known("layers.probability", options.probability)?,
        labels: options.labels,
    };
    let resolution = match known("layers.resolution", options.resolution)? {
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
    Ok((plan, form))
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
    // No more than there are, or the place in the queue would be taken for SAMs that never come.
    let units = Layer::by_number(layer).map_or(0, |layer| {
        layer.channels(manifest.architecture.base_width) as usize
    });
    Ok(UnitSelection {
        layer,
        class,
        count: units.min(options.count as usize),
        choice: match known(&format!("units[{index}].choice"), options.choice)? {
            v1::UnitChoice::Spread => UnitOrder::Spread,
            v1::UnitChoice::Unspecified | v1::UnitChoice::Best => UnitOrder::Best,
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

/// An enumeration's value, if this version of the protocol knows it.
///
/// # Errors
/// It does not.
pub(crate) fn known<E: TryFrom<i32>>(field: &str, value: i32) -> Result<E, ServiceError> {
    E::try_from(value)
        .map_err(|_| ServiceError::field(field, value, "a value that sagate.v1 names for this field"))
}

/// How urgent an image is, as its options say.
///
/// # Errors
/// A value that this version of the protocol does not know.
fn priority(options: &v1::SegmentationOptions) -> Result<Priority, ServiceError> {
    Ok(match known("options.priority", options.priority)? {
        v1::Priority::Urgent => Priority::Urgent,
        v1::Priority::Unspecified | v1::Priority::Routine => Priority::Routine,
        v1::Priority::Batch => Priority::Batch,
    })
}
