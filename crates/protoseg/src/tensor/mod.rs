//! The backend of libtorch operations, for any device.
//!
//! Feature maps are processed a few channels at a time in float64, so that sums are as exact as the native kernels' and no tensor of the
//! size of a feature map is allocated. Counts stay on the device until all are computed, since each copy to the host synchronises with
//! the GPU.

use tch::{Device, Kind, Tensor};

use super::affine::{Affine, Thresholds};
use super::backend::{Backend, ClassSums, MapCounts, SamOutput, UnitCounts};
use super::error::ProtosegError;
use super::interpolation::{axes, upsample};
use super::reference::Prediction;
use super::reference::label_runs::INVALID;

/// Values converted to float64 at a time: 2 Mi doubles, 16 MiB.
const CHUNK: i64 = 1 << 21;

/// The backend of libtorch operations.
#[derive(Debug, Clone, Copy)]
pub struct TensorOps;

impl Backend for TensorOps {
    fn class_sums(&self, feature: &Tensor, reference: &Prediction) -> Result<ClassSums, ProtosegError> {
        let weights = reference.weights(&feature.size()[2..])?;
        let mut sums = Vec::new();
        for part in channel_chunks(feature, &feature.size()[2..]) {
            sums.push(weights.f_matmul(&widened(feature, part)?.f_transpose(1, 2)?)?);
        }
        let channels = feature.size()[1] as usize;
        let mass = weights.f_sum_dim_intlist([2].as_slice(), false, None)?;
        Ok(ClassSums {
            values: to_vec(&Tensor::f_cat(&sums, 2)?)?,
            mass: to_vec(&mass)?,
            channels,
        })
    }

    fn maps(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        affine: &Affine,
    ) -> Result<SamOutput, ProtosegError> {
        let (batch, classes) = (feature.size()[0], affine.classes as i64);
        let positions = feature.size()[2..].to_vec();
        let device = feature.device();
        let direction = Tensor::from_slice(&affine.direction)
            .f_view([batch, classes, affine.channels as i64])?
            .f_to_device(device)?;
        let mut score = Tensor::from_slice(&affine.bias)
            .f_view([batch, classes, 1])?
            .f_to_device(device)?;
        for part in channel_chunks(feature, &positions) {
            let direction = direction.f_narrow(1 + 1, part.0, part.1)?;
            score = score.f_add(&direction.f_matmul(&widened(feature, part)?)?)?;
        }
        let shape: Vec<i64> = [batch, classes].iter().chain(&positions).copied().collect();
        let score = upsample_score(&score.f_reshape(shape)?, &positions, reference)?;
        let (best, class) = score.f_max_dim(1, false)?;
        let sam = class
            .f_add_scalar(1)?
            .f_mul(&best.f_gt(0.0)?)?
            .f_to_kind(Kind::Uint8)?;
        let zero = score.f_narrow(1, 0, 1)?.f_zeros_like()?;
        let probability = Tensor::f_cat(&[zero, score], 1)?
            .f_softmax(1, Kind::Double)?
            .f_narrow(1, 1, classes)?;
        let intersections: Result<Vec<Tensor>, _> = (1..=classes)
            .map(|class| intersect(&sam.f_eq(class)?.f_unsqueeze(1)?, reference, class))
            .collect();
        Ok(SamOutput {
            probability: probability.f_to_kind(Kind::Float)?,
            sam,
            counts: counts(&Tensor::f_cat(&intersections?, 2)?)?,
        })
    }

    fn unit_counts(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        thresholds: &Thresholds,
    ) -> Result<UnitCounts, ProtosegError> {
        let (batch, channels) = (feature.size()[0], thresholds.channels as i64);
        let (classes, device) = (thresholds.classes as i64, feature.device());
        let dimensions = reference.size().len();
        let shape: Vec<i64> = [batch, classes, channels]
            .into_iter()
            .chain(vec![1; dimensions])
            .collect();
        let sign = Tensor::from_slice(&thresholds.sign)
            .f_view(shape.as_slice())?
            .f_to_device(device)?;
        let limit = Tensor::from_slice(&thresholds.limit)
            .f_view(shape.as_slice())?
            .f_to_device(device)?;
        let axes = axes(&feature.size()[2..], reference.size());
        let mut intersections = Vec::new();
        for (first, length) in channel_chunks(feature, reference.size()) {
            let part = feature.f_narrow(1, first, length)?.f_to_kind(Kind::Double)?;
            let part = upsample(&part, &axes);
            let of_class = |class: i64| -> Result<Tensor, tch::TchError> {
                let pick = |of: &Tensor| of.f_select(1, class)?.f_narrow(1, first, length);
                let sams = part.f_mul(&pick(&sign)?)?.f_gt_tensor(&pick(&limit)?)?;
                intersect(&sams, reference, class + 1)
            };
            let by_class: Result<Vec<Tensor>, _> = (0..classes).map(of_class).collect();
            intersections.push(Tensor::f_stack(&by_class?, 2)?);
        }
        Ok(counts(&Tensor::f_cat(&intersections, 3)?)?)
    }
}

/// `(first, length)` of the channel ranges whose widened form stays within [`CHUNK`] at the given size.
fn channel_chunks(feature: &Tensor, size: &[i64]) -> Vec<(i64, i64)> {
    let (batch, channels) = (feature.size()[0], feature.size()[1]);
    let step = (CHUNK / (batch * size.iter().product::<i64>())).clamp(1, channels);
    (0..channels)
        .step_by(step as usize)
        .map(|first| (first, step.min(channels - first)))
        .collect()
}

/// Some channels as `[B, n, positions]` double.
fn widened(feature: &Tensor, (first, length): (i64, i64)) -> Result<Tensor, tch::TchError> {
    feature
        .f_narrow(1, first, length)?
        .f_to_kind(Kind::Double)?
        .f_flatten(2, -1)
}

/// Upsamples a score to the image's size. Minus infinity (a class without prototype) is preserved.
fn upsample_score(
    score: &Tensor,
    positions: &[i64],
    reference: &Prediction,
) -> Result<Tensor, tch::TchError> {
    let none = score.f_isinf()?.f_flatten(2, -1)?.f_any_dim(2, false)?;
    let shape: Vec<i64> = none.size().into_iter().chain(vec![1; positions.len()]).collect();
    let score = score.f_nan_to_num(0.0, 0.0, 0.0)?;
    upsample(&score, &axes(positions, reference.size()))
        .f_masked_fill(&none.f_view(shape.as_slice())?, f64::NEG_INFINITY)
}

/// Pixel counts of SAMs `[B, U, *S]` (bool) against a class of the reference: `[2, B, U]`, the intersection and the SAM itself.
fn intersect(sams: &Tensor, reference: &Prediction, class: i64) -> Result<Tensor, tch::TchError> {
    let labels = reference.labels().f_unsqueeze(1)?;
    let sum = |of: Tensor| {
        of.f_flatten(2, -1)?
            .f_sum_dim_intlist([2].as_slice(), false, Kind::Int64)
    };
    let both = sum(sams.f_logical_and(&labels.f_eq(class)?)?)?;
    let sam = sum(sams.f_logical_and(&labels.f_ne(i64::from(INVALID))?)?)?;
    Tensor::f_stack(&[both, sam], 0)
}

/// The counts of [`intersect`], `[2, ...]`, row-major.
fn counts(intersections: &Tensor) -> Result<Vec<MapCounts>, tch::TchError> {
    let numbers = Vec::<i64>::try_from(intersections.f_flatten(0, -1)?.f_to_device(Device::Cpu)?)?;
    let (both, sam) = numbers.split_at(numbers.len() / 2);
    let counts = both.iter().zip(sam).map(|(&both, &sam)| MapCounts {
        both: both as u64,
        sam: sam as u64,
    });
    Ok(counts.collect())
}

fn to_vec(tensor: &Tensor) -> Result<Vec<f64>, tch::TchError> {
    Vec::<f64>::try_from(tensor.f_flatten(0, -1)?.f_to_device(Device::Cpu)?)
}
