//! Conversion between messages of the protocol and types of the library. Answers are validated like any input.

use ndarray::Array2;
use protoseg::Fault;
use sagate_core::executor::{ModelId, Score, UnitView};
use sagate_core::gate::{By, Confidence, Decision, EstimatedDice, Reason};
use sagate_core::imaging::{Image, Orientation, Plane, mask};
use sagate_core::model::{Class, ModelReference};
use sagate_core::nn::layers::Layer;
use tonic_health::pb::health_check_response::ServingStatus;

use super::answer::{
    Answer, GateOptions, HealthStatus, InterpretOptions, LayerResult, ModelStatus, Part, SegmentOptions,
    ServedModel, ServerStatus,
};
use super::error::ClientError;
use crate::engine::Priority;
use crate::proto::v1;
use crate::proto::v1::image::Source;
use crate::proto::v1::interpret_response::Part as PbPart;
use crate::proto::v1::segmentation_options::Gate;

fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, ClientError> {
    Err(ClientError::Answer {
        field,
        message: message.into(),
    })
}

pub(super) fn present<T>(field: &'static str, value: Option<T>) -> Result<T, ClientError> {
    value.map_or_else(|| invalid(field, "is missing"), Ok)
}

pub(super) fn reference(wanted: &ModelReference) -> v1::ModelReference {
    v1::ModelReference {
        name: wanted.name.clone(),
        version: wanted.version.unwrap_or(0),
    }
}

pub(super) fn segment_request(image: &Image, options: &SegmentOptions) -> v1::SegmentRequest {
    v1::SegmentRequest {
        request_id: String::new(),
        image: Some(tensor(image)),
        options: Some(segmentation_options(options)),
    }
}

pub(super) fn interpret_request(
    image: &Image,
    options: &SegmentOptions,
    interpretation: &InterpretOptions,
) -> v1::InterpretRequest {
    v1::InterpretRequest {
        request_id: String::new(),
        image: Some(tensor(image)),
        options: Some(segmentation_options(options)),
        layers: Some(v1::LayerOptions {
            layers: interpretation.layers.iter().map(|&layer| layer as u32).collect(),
            probability: v1::ProbabilityFormat::None.into(),
            labels: true,
            resolution: v1::Resolution::Image.into(),
            skip: false,
        }),
        units: vec![v1::UnitOptions {
            layer: interpretation.units_of as u32,
            class: interpretation.class as u32,
            count: interpretation.units as u32,
            order: v1::UnitOrder::Spread.into(),
            average: true,
        }],
    }
}

/// Bit-exact values, so that the server computes what a local run would. They are sent upright, since a tensor has no orientation.
fn tensor(image: &Image) -> v1::Image {
    let pixels = image.orientation.upright(image.pixels.view());
    let (channels, height, width) = pixels.dim();
    let data: Vec<u8> = pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
    v1::Image {
        source: Some(Source::Tensor(v1::Tensor {
            data_type: v1::DataType::Float32.into(),
            shape: vec![channels as u32, height as u32, width as u32],
            data: data.into(),
            spacing: image.orientation.upright_pair(image.spacing).to_vec(),
        })),
    }
}

fn segmentation_options(options: &SegmentOptions) -> v1::SegmentationOptions {
    v1::SegmentationOptions {
        model: Some(v1::ModelReference {
            name: options.model.name.clone(),
            version: options.model.version,
        }),
        gate: options.gate.map(|gate| match gate {
            GateOptions::Coverage(coverage) => Gate::Coverage(coverage),
            GateOptions::Threshold(threshold) => Gate::Threshold(threshold),
        }),
        mask_format: v1::MaskFormat::Bits.into(),
        probabilities: false,
        priority: match options.priority {
            Priority::Urgent => v1::Priority::Urgent,
            Priority::Routine => v1::Priority::Routine,
            // Clients cannot request the class of shadows.
            Priority::Batch | Priority::Shadow => v1::Priority::Batch,
        }
        .into(),
    }
}

pub(super) fn model(answer: v1::GetModelResponse) -> Result<ServedModel, ClientError> {
    let summary = present("summary", answer.summary)?;
    let version = present("summary.model", summary.model)?;
    let spec = present("spec", answer.spec)?;
    Ok(ServedModel {
        id: ModelId {
            name: version.name,
            version: version.version,
        },
        hash: version.content_hash,
        plane: plane(&spec.plane)?,
        channels: spec.channels.len(),
        classes: spec.classes.into_iter().map(class).collect::<Result<_, _>>()?,
        units: answer.layers.iter().map(|layer| layer.units as usize).collect(),
        calibrated: answer.calibration.is_some(),
    })
}

fn plane(name: &str) -> Result<Option<Plane>, ClientError> {
    if name.is_empty() {
        return Ok(None);
    }
    match Plane::ALL.into_iter().find(|plane| plane.name() == name) {
        Some(plane) => Ok(Some(plane)),
        None => {
            let message = format!("is `{name}`; it should be sagittal, coronal, axial or empty");
            invalid("spec.plane", message)
        }
    }
}

fn class(class: v1::ObjectClass) -> Result<Class, ClientError> {
    let colour: Option<Vec<u8>> = class.colour.iter().map(|&it| u8::try_from(it).ok()).collect();
    match colour.and_then(|it| <[u8; 3]>::try_from(it).ok()) {
        Some(colour) => Ok(Class {
            name: class.name,
            colour,
        }),
        None => {
            let message = format!("is {:?}; it should be three numbers from 0 to 255", class.colour);
            invalid("spec.classes.colour", message)
        }
    }
}

/// Pixel grid of an image and of its mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Height and width as sent.
    upright: [usize; 2],
    orientation: Orientation,
}

impl Grid {
    pub fn from_image(image: &Image) -> Grid {
        let (_, height, width) = image.pixels.dim();
        Grid {
            upright: image.orientation.upright_pair([height, width]),
            orientation: image.orientation,
        }
    }
}

pub(super) fn answer(segmentation: Option<v1::Segmentation>, grid: Grid) -> Result<Answer, ClientError> {
    let segmentation = present("segmentation", segmentation)?;
    let decision = decision(&segmentation)?;
    let labels = labels(present("segmentation.mask", segmentation.mask)?, grid.upright)?;
    Ok(Answer {
        fault: fault(&decision, segmentation.object_fraction),
        object_fraction: segmentation.object_fraction,
        confidence: Confidence {
            soft_dice: segmentation.soft_dice_confidence,
            object: segmentation.object_confidence,
        },
        score: segmentation.quality_score.map(|value| Score {
            value,
            estimated_dice: segmentation
                .estimated_dice
                .map(|v1::EstimatedDice { value, low, high }| EstimatedDice { value, low, high }),
        }),
        labels: grid
            .orientation
            .stored(labels.view())
            .as_standard_layout()
            .into_owned(),
        decision,
    })
}

/// An inconsistent or unknown decision is an error, never an ACCEPT.
pub(super) fn decision(segmentation: &v1::Segmentation) -> Result<Decision, ClientError> {
    let reasons: Vec<Reason> = segmentation
        .reasons
        .iter()
        .map(|&it| reason(it))
        .collect::<Result<_, _>>()?;
    let accept = segmentation.decision() == v1::Decision::Accept;
    if accept != reasons.is_empty() {
        let message = format!(
            "is {:?}, but the reasons are {reasons:?}",
            segmentation.decision()
        );
        return invalid("segmentation.decision", message);
    }
    Ok(Decision {
        accept,
        mu: segmentation.mu,
        by: match segmentation.gate_score() {
            // Servers of earlier versions.
            v1::GateScore::Unspecified | v1::GateScore::Mu => By::Mu,
            v1::GateScore::Quality => By::Score,
        },
        threshold: segmentation.threshold,
        coverage: segmentation.coverage,
        reasons,
    })
}

/// An unknown reason is an error.
fn reason(number: i32) -> Result<Reason, ClientError> {
    Ok(match v1::Reason::try_from(number) {
        Ok(v1::Reason::BelowThreshold) => Reason::BelowThreshold,
        Ok(v1::Reason::EmptyPrediction) => Reason::EmptyPrediction,
        Ok(v1::Reason::FullPrediction) => Reason::FullPrediction,
        Ok(v1::Reason::NotFinite) => Reason::NotFinite,
        Ok(v1::Reason::NotCalibrated) => Reason::NotCalibrated,
        Ok(v1::Reason::InputOutOfRange) => Reason::InputOutOfRange,
        Ok(v1::Reason::Unspecified) | Err(_) => {
            let message = format!("holds {number}, which this client does not know");
            return invalid("segmentation.reasons", message);
        }
    })
}

/// Why there is no score: from the reasons or, if the server accepts empty predictions, from the object fraction.
fn fault(decision: &Decision, object_fraction: f64) -> Option<Fault> {
    let says = |reason| decision.reasons.contains(&reason);
    if says(Reason::NotFinite) {
        Some(Fault::NotFinite)
    } else if says(Reason::EmptyPrediction) || object_fraction == 0.0 {
        Some(Fault::EmptyPrediction)
    } else if says(Reason::FullPrediction) || object_fraction == 1.0 {
        Some(Fault::FullPrediction)
    } else {
        None
    }
}

/// Labels from packed bits, one mask per class.
fn labels(packed: v1::Mask, size: [usize; 2]) -> Result<Array2<u8>, ClientError> {
    if packed.format() != v1::MaskFormat::Bits || packed.data.len() > usize::from(u8::MAX) {
        let message = format!(
            "is {:?} with {} entries; BITS were asked for",
            packed.format(),
            packed.data.len()
        );
        return invalid("segmentation.mask", message);
    }
    let found = [packed.height as usize, packed.width as usize];
    if found != size {
        let message = format!("is {found:?} pixels (height, width); its image has {size:?}");
        return invalid("segmentation.mask", message);
    }
    let mut labels: Option<Array2<u8>> = None;
    for (bits, class) in packed.data.iter().zip(1u8..) {
        let object = mask::unpack(bits, size)
            .or_else(|error| invalid("segmentation.mask.data", format!("does not fit: {error}")))?;
        let labels = labels.get_or_insert_with(|| Array2::zeros(object.dim()));
        labels.zip_mut_with(&object, |label, &bit| {
            if bit == 1 {
                *label = class;
            }
        });
    }
    present("segmentation.mask.data", labels)
}

pub(super) fn part(message: v1::InterpretResponse, grid: Grid) -> Result<Part, ClientError> {
    Ok(match present("part", message.part)? {
        PbPart::Segmentation(segmentation) => Part::Answer(answer(Some(segmentation), grid)?),
        PbPart::Layer(layer) => Part::Layer(LayerResult {
            layer: present("layer.layer", Layer::by_number(layer.layer as usize))?,
            score: layer.sa_score,
            sam: map("layer.labels", layer.labels, v1::DataType::Uint8, |[byte]| byte)?,
        }),
        PbPart::Units(units) => Part::Units(self::units(units)?),
        PbPart::Summary(_) => Part::End,
    })
}

fn units(units: v1::LayerUnits) -> Result<UnitView, ClientError> {
    let sam = |unit: v1::UnitSam| match unit.unit as usize {
        index if index < units.sa_scores.len() => {
            let labels = map("units.sams.labels", unit.labels, v1::DataType::Uint8, |[byte]| {
                byte
            })?;
            Ok((index, labels))
        }
        index => invalid(
            "units.sams.unit",
            format!("is {index}; there are {} scores", units.sa_scores.len()),
        ),
    };
    Ok(UnitView {
        sams: units.sams.into_iter().map(sam).collect::<Result<_, _>>()?,
        average: Some(map(
            "units.average",
            units.average,
            v1::DataType::Float32,
            f32::from_le_bytes,
        )?),
        scores: units.sa_scores,
    })
}

/// Array from a tensor `[height, width]` of this type.
fn map<T, const SIZE: usize>(
    field: &'static str,
    tensor: Option<v1::Tensor>,
    kind: v1::DataType,
    read: impl Fn([u8; SIZE]) -> T,
) -> Result<Array2<T>, ClientError> {
    let tensor = present(field, tensor)?;
    let (values, rest) = tensor.data.as_chunks::<SIZE>();
    let values = values.iter().map(|&value| read(value)).collect();
    let array = match tensor.shape[..] {
        [height, width] if tensor.data_type() == kind && rest.is_empty() => {
            Array2::from_shape_vec((height as usize, width as usize), values).ok()
        }
        _ => None,
    };
    array.map_or_else(
        || {
            let (found, shape, bytes) = (tensor.data_type(), &tensor.shape, tensor.data.len());
            let message =
                format!("is {found:?} {shape:?} in {bytes} bytes; it should be {kind:?} [height, width]");
            invalid(field, message)
        },
        Ok,
    )
}

pub(super) fn status(answer: v1::GetStatusResponse) -> ServerStatus {
    ServerStatus {
        version: answer.server_version,
        uptime_seconds: answer.uptime_seconds,
        window_seconds: answer.window_seconds,
        draining: answer.draining,
        in_flight: answer.requests_in_flight,
        models: answer.models.into_iter().map(model_status).collect(),
    }
}

fn model_status(model: v1::ModelStatus) -> ModelStatus {
    let version = model.model.unwrap_or_default();
    ModelStatus {
        model: format!("{}@{}", version.name, version.version),
        ready: model.ready,
        accepted: model.accepted,
        rejected: model.rejected,
        failed: model.failed,
        queue_entries: model.queue_entries,
        queue_bytes: model.queue_bytes,
        images_per_second: model.window_images_per_second,
        megapixels_per_second: model.window_megapixels_per_second,
        images: model.window_images,
        mean_mu: model.window_mean_mu,
        accepted_share: model.window_accepted_share,
        coverage: model.window_coverage,
        mu_histogram: model.window_mu_histogram,
        p50_seconds: model.window_p50_seconds,
        p99_seconds: model.window_p99_seconds,
    }
}

pub(super) fn serving(status: ServingStatus) -> HealthStatus {
    match status {
        ServingStatus::Serving => HealthStatus::Serving,
        ServingStatus::NotServing => HealthStatus::NotServing,
        ServingStatus::ServiceUnknown => HealthStatus::ServiceUnknown,
        ServingStatus::Unknown => HealthStatus::Unknown,
    }
}
