//! Resampling to another grid of the same field of view.

use ndarray::{Array2, Array3, ArrayView3, Axis};

/// Linear interpolation, separable, pixel centres at half steps. Where the grid becomes coarser, the triangle that
/// weighs the old pixels widens with it, so that nothing is skipped. The weights of a new pixel sum to 1.
pub(super) fn linear(pixels: ArrayView3<'_, f32>, [height, width]: [usize; 2]) -> Array3<f32> {
    let (channels, old_height, old_width) = pixels.dim();
    let columns = Weights::new(old_width, width);
    let mut wide = Array3::zeros((channels, old_height, width));
    for (mut target, source) in wide.outer_iter_mut().zip(pixels.outer_iter()) {
        for (mut target, source) in target.outer_iter_mut().zip(source.outer_iter()) {
            for (target, (first, weights)) in target.iter_mut().zip(columns.iter()) {
                let sum: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(tap, weight)| weight * f64::from(source[first + tap]))
                    .sum();
                *target = sum as f32;
            }
        }
    }
    let rows = Weights::new(old_height, height);
    let mut resized = Array3::zeros((channels, height, width));
    let mut sums = vec![0.0f64; width];
    for (mut target, source) in resized.outer_iter_mut().zip(wide.outer_iter()) {
        for (mut target, (first, weights)) in target.outer_iter_mut().zip(rows.iter()) {
            sums.fill(0.0);
            for (tap, &weight) in weights.iter().enumerate() {
                let row = source.index_axis(Axis(0), first + tap);
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, &value)| *sum += weight * f64::from(value));
            }
            target
                .iter_mut()
                .zip(&sums)
                .for_each(|(target, &sum)| *target = sum as f32);
        }
    }
    resized
}

/// The old pixel whose area holds the new pixel's centre.
pub(super) fn nearest(labels: &Array2<u8>, [height, width]: [usize; 2]) -> Array2<u8> {
    let (old_height, old_width) = labels.dim();
    let source = |new: usize, old_count: usize, new_count: usize| (2 * new + 1) * old_count / (2 * new_count);
    Array2::from_shape_fn((height, width), |(row, column)| {
        labels[[source(row, old_height, height), source(column, old_width, width)]]
    })
}

/// For each new position along one axis: the first old position that counts, and the weights from there on.
struct Weights {
    spans: Vec<(usize, usize, usize)>,
    weights: Vec<f64>,
}

impl Weights {
    fn new(old: usize, new: usize) -> Self {
        let scale = old as f64 / new as f64;
        let reach = scale.max(1.0);
        let mut spans = Vec::with_capacity(new);
        let mut weights = Vec::new();
        for position in 0..new {
            let centre = (position as f64 + 0.5) * scale;
            let first = (centre - reach).floor().max(0.0) as usize;
            let last = ((centre + reach).ceil() as usize).min(old);
            let start = weights.len();
            weights.extend(
                (first..last).map(|source| (1.0 - (source as f64 + 0.5 - centre).abs() / reach).max(0.0)),
            );
            let sum: f64 = weights[start..].iter().sum();
            weights[start..].iter_mut().for_each(|weight| *weight /= sum);
            spans.push((first, start, weights.len()));
        }
        Self { spans, weights }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.spans
            .iter()
            .map(|&(first, start, end)| (first, &self.weights[start..end]))
    }
}
