//! Linear interpolation between a layer's resolution and the image's, and its adjoint.
//!
//! The convention is that of bilinear resizing with `align_corners = false`: position `j` of `s` is centred at `(j + 0.5) S / s`
//! in pixels, and values beyond the outermost centres are held constant. Weights of a pixel sum to 1.

use tch::{Device, Kind, Tensor};

/// For each pixel along one axis, the two positions that it is made of and the second one's weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub positions: usize,
    pub first: Vec<u32>,
    pub second: Vec<u32>,
    /// Weight of the second position in [0, 1]; the first has the rest.
    pub weight: Vec<f64>,
}

impl Axis {
    /// From `positions` (s) to `pixels` (S >= s).
    pub fn new(positions: usize, pixels: usize) -> Axis {
        let scale = positions as f64 / pixels as f64;
        let last = positions - 1;
        let mut axis = Axis {
            positions,
            first: Vec::with_capacity(pixels),
            second: Vec::with_capacity(pixels),
            weight: Vec::with_capacity(pixels),
        };
        for pixel in 0..pixels {
            let place = ((pixel as f64 + 0.5) * scale - 0.5).max(0.0);
            let first = (place as usize).min(last);
            axis.first.push(first as u32);
            axis.second.push((first + 1).min(last) as u32);
            axis.weight.push(place - first as f64);
        }
        axis
    }

    pub fn pixels(&self) -> usize {
        self.weight.len()
    }

    pub fn is_identity(&self) -> bool {
        self.positions == self.pixels()
    }

    /// The interpolation as a matrix `[S, s]`.
    fn matrix(&self, kind: Kind, device: Device) -> Tensor {
        let (pixels, positions) = (self.pixels(), self.positions);
        let mut values = vec![0.0f64; pixels * positions];
        for pixel in 0..pixels {
            let row = &mut values[pixel * positions..(pixel + 1) * positions];
            row[self.first[pixel] as usize] += 1.0 - self.weight[pixel];
            row[self.second[pixel] as usize] += self.weight[pixel];
        }
        Tensor::from_slice(&values)
            .view([pixels as i64, positions as i64])
            .to_kind(kind)
            .to_device(device)
    }
}

/// The axes from a layer's size `*s` to the image's `*S`, outermost first.
pub(super) fn axes(positions: &[i64], pixels: &[i64]) -> Vec<Axis> {
    positions
        .iter()
        .zip(pixels)
        .map(|(&s, &size)| Axis::new(s as usize, size as usize))
        .collect()
}

/// Brings `[.., *s]` to `[.., *S]`: `U x`.
pub(super) fn upsample(x: &Tensor, axes: &[Axis]) -> Tensor {
    contract(x, axes, |matrix| matrix.transpose(0, 1))
}

/// Pulls `[.., *S]` down to `[.., *s]` by the adjoint: `U^T x`, so that `sum (U^T m) f = sum m (U f)`.
pub(super) fn upsample_adjoint(x: &Tensor, axes: &[Axis]) -> Tensor {
    contract(x, axes, |matrix| matrix)
}

fn contract(x: &Tensor, axes: &[Axis], orient: impl Fn(Tensor) -> Tensor) -> Tensor {
    let mut x = x.shallow_clone();
    for (index, axis) in axes.iter().enumerate() {
        if axis.is_identity() {
            continue;
        }
        let dimension = index as i64 - axes.len() as i64;
        let matrix = orient(axis.matrix(x.kind(), x.device()));
        x = x
            .transpose(dimension, -1)
            .matmul(&matrix)
            .transpose(dimension, -1);
    }
    x
}
