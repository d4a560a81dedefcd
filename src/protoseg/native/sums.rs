//! Sums of a feature over each class: the numerators of the prototypes.

use super::isa::{Isa, kernel};
use super::runs::Run;

/// Channels that one sweep of a kernel keeps in registers.
const TILE: usize = 32;
/// Partial sums of a slice.
const LANES: usize = 16;

kernel! {
    /// Adds the runs of cells of a channels-last image to `sums` `[K + 2, channels]` (the last row is what is not valid).
    fn add_runs_of_cells(image: &[f32], channels: usize, runs: &[Run], sums: &mut [f64]) {
        for run in runs {
            let cells = &image[run.start as usize * channels..(run.start + run.length) as usize * channels];
            let sums = &mut sums[run.class as usize * channels..][..channels];
            let mut first = 0;
            while first + TILE <= channels {
                add_tile::<TILE>(cells, channels, first, sums);
                first += TILE;
            }
            while first + 8 <= channels {
                add_tile::<8>(cells, channels, first, sums);
                first += 8;
            }
            while first < channels {
                add_tile::<1>(cells, channels, first, sums);
                first += 1;
            }
        }
    }
}

#[inline(always)]
fn add_tile<const N: usize>(cells: &[f32], channels: usize, first: usize, sums: &mut [f64]) {
    let mut tile = [0.0f64; N];
    tile.copy_from_slice(&sums[first..first + N]);
    for cell in cells.chunks_exact(channels) {
        let values: &[f32; N] = cell[first..first + N].try_into().expect("N values");
        for lane in 0..N {
            tile[lane] += f64::from(values[lane]);
        }
    }
    sums[first..first + N].copy_from_slice(&tile);
}

kernel! {
    /// Adds cells of a channels-last image, weighted, to `sums` `[K + 1, channels]`. `weights`: one slice of as many cells a
    /// class.
    fn add_weighted_cells(cells: &[f32], channels: usize, weights: &[&[f64]], sums: &mut [f64]) {
        for (index, cell) in cells.chunks_exact(channels).enumerate() {
            for (weights, sums) in weights.iter().zip(sums.chunks_exact_mut(channels)) {
                let weight = weights[index];
                for (sum, &value) in sums.iter_mut().zip(cell) {
                    *sum += weight * f64::from(value);
                }
            }
        }
    }
}

kernel! {
    /// Adds the runs of one plane to `sums` `[K + 2]`.
    fn add_runs_of_plane(plane: &[f32], runs: &[Run], sums: &mut [f64]) {
        for run in runs {
            let values = &plane[run.start as usize..(run.start + run.length) as usize];
            let mut lanes = [0.0f64; LANES];
            let parts = values.chunks_exact(LANES);
            let rest = parts.remainder();
            for part in parts {
                for lane in 0..LANES {
                    lanes[lane] += f64::from(part[lane]);
                }
            }
            for (lane, &value) in lanes.iter_mut().zip(rest) {
                *lane += f64::from(value);
            }
            sums[run.class as usize] += total(&lanes);
        }
    }
}

kernel! {
    /// The weighted sum of one plane.
    fn weighted_sum(plane: &[f32], weights: &[f64]) -> f64 {
        let mut lanes = [0.0f64; LANES];
        let (values, weights) = (plane.chunks_exact(LANES), weights.chunks_exact(LANES));
        let rest = values.remainder().iter().zip(weights.remainder());
        for (values, weights) in values.zip(weights) {
            for lane in 0..LANES {
                lanes[lane] += f64::from(values[lane]) * weights[lane];
            }
        }
        for (lane, (&value, &weight)) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(value) * weight;
        }
        total(&lanes)
    }
}

/// Adds a power of two of lanes pairwise: the same order whatever the instruction set.
#[inline(always)]
pub(super) fn total<const N: usize>(lanes: &[f64; N]) -> f64 {
    let mut lanes = *lanes;
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}
