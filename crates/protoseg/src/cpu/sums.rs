//! Kernels for the sums of a feature map over each class: the numerators of the prototypes.

use crate::kernel;
use crate::platform::fetch_after;
use crate::reference::label_runs::Run;

/// Positions whose weights are tested together.
const BLOCK: usize = 64;
/// Partial sums of a slice.
const LANES: usize = 16;

kernel! {
    /// Adds the runs of positions of a channels-last image to `sums` `[K + 2, channels]` (the last row is what is not valid).
    fn add_runs_of_positions(image: &[f32], channels: usize, runs: &[Run], sums: &mut [f64]) {
        for run in runs {
            let positions = &image[run.start as usize * channels..(run.start + run.length) as usize * channels];
            let sums = &mut sums[run.class as usize * channels..][..channels];
            add_positions(positions, channels, |_| 1.0, sums);
        }
    }
}

kernel! {
    /// Adds positions of a channels-last image, weighted, to `sums` `[K + 1, channels]`. `weights`: one slice of as many positions a
    /// class.
    fn add_weighted_positions(positions: &[f32], channels: usize, weights: &[&[f64]], sums: &mut [f64]) {
        for (block, positions) in positions.chunks(BLOCK * channels).enumerate() {
            for (class, (weights, sums)) in weights.iter().zip(sums.chunks_exact_mut(channels)).enumerate() {
                let weights = &weights[block * BLOCK..][..positions.len() / channels];
                // Skip an object class without weight here. The background is added everywhere, so that every non-finite value is
                // detected.
                if class == 0 || weights.iter().any(|&weight| weight != 0.0) {
                    add_positions(positions, channels, |position| weights[position], sums);
                }
            }
        }
    }
}

/// Adds positions, each weighted, to `sums` `[channels]`: a tile of channels at a time, which stays in registers.
#[inline(always)]
fn add_positions(positions: &[f32], channels: usize, weight: impl Fn(usize) -> f64 + Copy, sums: &mut [f64]) {
    let mut first = 0;
    while first + 32 <= channels {
        add_tile::<32, 2>(positions, channels, first, weight, sums);
        first += 32;
    }
    while first + 16 <= channels {
        add_tile::<16, 4>(positions, channels, first, weight, sums);
        first += 16;
    }
    while first + 8 <= channels {
        add_tile::<8, 8>(positions, channels, first, weight, sums);
        first += 8;
    }
    while first < channels {
        add_tile::<1, 8>(positions, channels, first, weight, sums);
        first += 1;
    }
}

/// Adds `N` channels of the positions, `SIDE` positions in parallel, so that the additions do not depend on each other.
#[inline(always)]
fn add_tile<const N: usize, const SIDE: usize>(
    positions: &[f32],
    channels: usize,
    first: usize,
    weight: impl Fn(usize) -> f64,
    sums: &mut [f64],
) {
    let mut tiles = [[0.0f64; N]; SIDE];
    let blocks = positions.chunks_exact(SIDE * channels);
    let rest = blocks.remainder().chunks_exact(channels);
    let mut index = 0;
    for block in blocks {
        if first == 0 {
            fetch_after(block);
        }
        for (side, tile) in tiles.iter_mut().enumerate() {
            add_position(tile, &block[side * channels + first..][..N], weight(index + side));
        }
        index += SIDE;
    }
    for (side, (tile, position)) in tiles.iter_mut().zip(rest).enumerate() {
        add_position(tile, &position[first..first + N], weight(index + side));
    }
    for (lane, sum) in sums[first..first + N].iter_mut().enumerate() {
        *sum += tiles.iter().map(|tile| tile[lane]).sum::<f64>();
    }
}

#[inline(always)]
fn add_position<const N: usize>(tile: &mut [f64; N], values: &[f32], weight: f64) {
    let values: &[f32; N] = values.try_into().expect("N values");
    for lane in 0..N {
        tile[lane] += weight * f64::from(values[lane]);
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

/// Pairwise sum of a power of two of lanes: the same order for every instruction set.
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
