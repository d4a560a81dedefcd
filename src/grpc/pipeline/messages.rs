//! Conversion of results of the engine and the gate to protobuf messages.

use bytes::Bytes;
use ndarray::{Array, Array2, Array3, ArrayView2, CowArray, Dimension};
use protoseg::{cpu, split_units};
use sagate_core::executor::{LayerView, Segmentation, UnitView};
use sagate_core::gate::{By, Decision, EstimatedDice, Reason};
use sagate_core::imaging::mask;
use sagate_core::nn::layers::Group;

use super::grid::Grid;
use super::validate::{LayerFormat, ResponseFormat};
use crate::engine::UnitSelection;
use crate::grpc::error::ServiceError;
use crate::proto::v1;

/// A segmentation with its decision, in the requested format. The caller fills in timing, model and hash.
///
/// # Errors
/// A mask that cannot be encoded in its format.
pub(crate) fn segmentation(
    result: &Segmentation,
    decision: &Decision,
    format: ResponseFormat,
    grid: &Grid,
) -> Result<v1::Segmentation, ServiceError> {
    let (classes, height, width) = result.probability.dim();
    let verdict = if decision.accept {
        v1::Decision::Accept
    } else {
        v1::Decision::Reject
    };
    Ok(v1::Segmentation {
        decision: verdict.into(),
        mu: decision.mu,
        threshold: decision.threshold,
        coverage: decision.coverage,
        reasons: decision.reasons.iter().map(|&it| reason(it).into()).collect(),
        object_fraction: result.object_fraction(),
        mask: mask(&result.labels, classes as u8, format.mask, grid)?,
        probabilities: format.probabilities.then(|| floats(&result.probability)),
        layer_scores: result
            .layers
            .iter()
            .map(|it| v1::LayerScore {
                layer: it.layer as u32,
                sa_score: it.sa_score,
                mean_unit_sa_score: it.mean_unit_sa_score,
            })
            .collect(),
        model: None,
        image_hash: String::new(),
        timing: None,
        height: height as u32,
        width: width as u32,
        soft_dice_confidence: result.confidence.soft_dice,
        object_confidence: result.confidence.object,
        gate_score: match decision.by {
            By::Mu => v1::GateScore::Mu,
            By::Score => v1::GateScore::Quality,
        }
        .into(),
        quality_score: result.score.map(|score| score.value),
        estimated_dice: result.score.and_then(|score| {
            let EstimatedDice { value, low, high } = score.estimated_dice?;
            Some(v1::EstimatedDice { value, low, high })
        }),
    })
}

/// The protobuf value of a reason.
pub fn reason(reason: Reason) -> v1::Reason {
    match reason {
        Reason::BelowThreshold => v1::Reason::BelowThreshold,
        Reason::EmptyPrediction => v1::Reason::EmptyPrediction,
        Reason::FullPrediction => v1::Reason::FullPrediction,
        Reason::NotFinite => v1::Reason::NotFinite,
        Reason::NotCalibrated => v1::Reason::NotCalibrated,
        Reason::InputOutOfRange => v1::Reason::InputOutOfRange,
    }
}

fn mask(
    labels: &Array2<u8>,
    classes: u8,
    format: v1::MaskFormat,
    grid: &Grid,
) -> Result<Option<v1::Mask>, ServiceError> {
    let field = "options.mask_format";
    let image_error = |source| ServiceError::Image { field, source };
    let data: Vec<Bytes> = match format {
        v1::MaskFormat::Unspecified | v1::MaskFormat::None => return Ok(None),
        v1::MaskFormat::Bits => (1..=classes)
            .map(|class| mask::pack(labels.view(), class).into())
            .collect(),
        v1::MaskFormat::Rle => {
            let runs =
                (1..=classes).map(|class| serde_json::to_vec(&mask::Rle::of_class(labels.view(), class)));
            let runs: Result<Vec<_>, _> = runs.collect();
            let runs = runs.map_err(|_| ServiceError::Internal)?;
            runs.into_iter().map(Bytes::from).collect()
        }
        v1::MaskFormat::Png => vec![mask::encode_png(labels).map_err(image_error)?.into()],
        v1::MaskFormat::Nifti => vec![
            mask::encode_nifti_image(labels, grid.spacing, grid.geometry.as_deref(), true)
                .map_err(image_error)?
                .into(),
        ],
    };
    Ok(Some(v1::Mask {
        format: format.into(),
        height: labels.nrows() as u32,
        width: labels.ncols() as u32,
        data,
    }))
}

/// The SAM of one layer, in the requested format.
pub(crate) fn layer(view: &LayerView, format: LayerFormat) -> v1::LayerSam {
    let probability = match format.probability {
        v1::ProbabilityFormat::Unspecified | v1::ProbabilityFormat::None => None,
        v1::ProbabilityFormat::Uint8 => Some(bytes_of(&view.probability)),
        v1::ProbabilityFormat::Float32 => Some(floats(&view.probability)),
    };
    let group = match view.layer.group {
        Group::Early => v1::LayerGroup::Early,
        Group::DeepAbstract => v1::LayerGroup::DeepAbstract,
        Group::Late => v1::LayerGroup::Late,
    };
    v1::LayerSam {
        layer: view.layer.number as u32,
        name: view.layer.name.into(),
        group: group.into(),
        downsampling: view.layer.downsampling as u32,
        sa_score: view.score,
        probability,
        labels: format.labels.then(|| labels(view.sam.view())),
    }
}

/// The SAMs of the units of one layer, in the requested format.
pub(crate) fn units(plan: UnitSelection, view: &UnitView) -> v1::LayerUnits {
    let split = split_units(&view.scores);
    let sam = |(unit, sam): &(usize, Array2<u8>)| v1::UnitSam {
        unit: *unit as u32,
        sa_score: view.scores[*unit],
        labels: Some(labels(sam.view())),
    };
    let average = |average: &Array2<f32>| {
        let (height, width) = average.dim();
        tensor(v1::DataType::Float32, &[height, width], little_endian(average))
    };
    v1::LayerUnits {
        layer: plan.layer as u32,
        class: plan.class as u32,
        sa_scores: view.scores.clone(),
        active_units: split.active.iter().map(|&unit| unit as u32).collect(),
        active_threshold: split.threshold,
        sams: view.sams.iter().map(sam).collect(),
        average: view.average.as_ref().map(average),
    }
}

fn labels(labels: ArrayView2<'_, u8>) -> v1::Tensor {
    let (height, width) = labels.dim();
    tensor(
        v1::DataType::Uint8,
        &[height, width],
        dense_values(&labels.as_standard_layout()).to_vec(),
    )
}

fn floats(values: &Array3<f32>) -> v1::Tensor {
    let (classes, height, width) = values.dim();
    tensor(
        v1::DataType::Float32,
        &[classes, height, width],
        little_endian(values),
    )
}

/// Probabilities as 0 to 255.
fn bytes_of(values: &Array3<f32>) -> v1::Tensor {
    let (classes, height, width) = values.dim();
    let data = cpu::to_bytes(dense_values(&values.as_standard_layout()));
    tensor(v1::DataType::Uint8, &[classes, height, width], data)
}

fn little_endian<D: Dimension>(values: &Array<f32, D>) -> Vec<u8> {
    let dense = values.as_standard_layout();
    let mut data = vec![0; values.len() * size_of::<f32>()];
    let (chunks, _) = data.as_chunks_mut();
    for (chunk, value) in chunks.iter_mut().zip(dense_values(&dense)) {
        *chunk = value.to_le_bytes();
    }
    data
}

/// The values as one slice, so that loops over them vectorise.
fn dense_values<'a, T, D: Dimension>(dense: &'a CowArray<'_, T, D>) -> &'a [T] {
    dense.as_slice().expect("standard layout is one slice")
}

fn tensor(data_type: v1::DataType, shape: &[usize], data: Vec<u8>) -> v1::Tensor {
    v1::Tensor {
        data_type: data_type.into(),
        shape: shape.iter().map(|&side| side as u32).collect(),
        data: data.into(),
        spacing: Vec::new(),
    }
}
