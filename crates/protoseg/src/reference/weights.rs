//! Prototype weights at a layer's resolution: the adjoint of the interpolation, two additions a value and axis.

use std::sync::{Arc, OnceLock};

use tch::{TchError, Tensor};

use super::label_runs::LabelRuns;
use crate::interpolation::Axis;
use crate::platform::for_each;

/// Values of a row that one task downsamples.
const TASK: usize = 16_384;

/// The prototypes' weights of a batch at a layer's resolution, as the kernels read them.
pub struct Weights {
    /// `[B, K + 1, positions]`, background first.
    pub values: Vec<f64>,
    /// Total weight of each class, `[B, K + 1]`.
    pub mass: Vec<f64>,
}

/// Weights that are computed on first use.
pub type SharedWeights = Arc<OnceLock<Weights>>;

impl Weights {
    /// From labels `[B, *S]`, each pixel's weight 1: `U^T` of each label's pixels. `counts` are those of the labels, `[B][K + 1]`.
    pub fn from_labels(labels: &LabelRuns, counts: &[Vec<u64>], axes: &[Axis]) -> Weights {
        let rows = counts[0].len();
        let (outer, last) = axes.split_at(axes.len() - 1);
        // The classes of a row next to each other, so that the other axes are downsampled for all of them at once.
        let mut values = downsample_rows(&labels.labels, rows, &last[0]);
        let mut inner = rows * last[0].positions;
        for axis in outer.iter().rev() {
            values = downsample_axis(&values, axis, inner);
            inner *= axis.positions;
        }
        Weights {
            values: classes_apart(&values, counts.len(), rows, last[0].positions),
            // A pixel's weights sum to 1.
            mass: counts.iter().flatten().map(|&count| count as f64).collect(),
        }
    }

    /// From weights `[B, K + 1, positions]` double at the layer's resolution.
    pub fn from_tensor(downsampled: &Tensor) -> Result<Weights, TchError> {
        let positions = downsampled.size()[2] as usize;
        let values = Vec::<f64>::try_from(downsampled.f_flatten(0, -1)?)?;
        let mass = values
            .chunks_exact(positions)
            .map(|row| row.iter().sum())
            .collect();
        Ok(Weights { values, mass })
    }
}

/// The rows of labels along the last axis, `[.., pixels]` to `[.., K + 1, positions]`.
fn downsample_rows(labels: &[u8], rows: usize, axis: &Axis) -> Vec<f64> {
    let (width, positions) = (axis.pixels(), axis.positions);
    let step = (TASK / width).max(1);
    let mut values = vec![0.0; labels.len() / width * rows * positions];
    let mut tasks: Vec<(&[u8], &mut [f64])> = labels
        .chunks(step * width)
        .zip(values.chunks_mut(step * rows * positions))
        .collect();
    for_each(&mut tasks, |(labels, values)| {
        let labels = labels.chunks_exact(width);
        for (labels, values) in labels.zip(values.chunks_exact_mut(rows * positions)) {
            downsample_row(labels, axis, values);
        }
    });
    values
}

/// One row of labels; invalid pixels have weight 0.
fn downsample_row(labels: &[u8], axis: &Axis, values: &mut [f64]) {
    let mut pixel = 0;
    for same in labels.chunk_by(|a, b| a == b) {
        let class = usize::from(same[0]) * axis.positions;
        if let Some(values) = values.get_mut(class..class + axis.positions) {
            for pixel in pixel..pixel + same.len() {
                let weight = axis.weight[pixel];
                values[axis.first[pixel] as usize] += 1.0 - weight;
                values[axis.second[pixel] as usize] += weight;
            }
        }
        pixel += same.len();
    }
}

/// One axis of `[.., pixels, inner]`.
fn downsample_axis(values: &[f64], axis: &Axis, inner: usize) -> Vec<f64> {
    if axis.is_identity() {
        return values.to_vec();
    }
    let mut downsampled = vec![0.0; values.len() / axis.pixels() * axis.positions];
    let blocks = values.chunks_exact(axis.pixels() * inner);
    for (block, downsampled) in blocks.zip(downsampled.chunks_exact_mut(axis.positions * inner)) {
        for (pixel, row) in block.chunks_exact(inner).enumerate() {
            let (first, second) = (axis.first[pixel] as usize, axis.second[pixel] as usize);
            let weight = axis.weight[pixel];
            add(&mut downsampled[first * inner..][..inner], row, 1.0 - weight);
            add(&mut downsampled[second * inner..][..inner], row, weight);
        }
    }
    downsampled
}

#[inline]
fn add(sums: &mut [f64], row: &[f64], weight: f64) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += weight * value;
    }
}

/// `[B, outer positions, rows, positions]` as `[B, rows, outer positions, positions]`.
fn classes_apart(values: &[f64], batch: usize, rows: usize, positions: usize) -> Vec<f64> {
    let mut apart = Vec::with_capacity(values.len());
    for image in values.chunks_exact(values.len() / batch) {
        for class in 0..rows {
            for row in image.chunks_exact(rows * positions) {
                apart.extend_from_slice(&row[class * positions..][..positions]);
            }
        }
    }
    apart
}
