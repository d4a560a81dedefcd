//! Sums of a feature over each class: the numerators of the prototypes.

use crate::kernel;
use crate::platform::fetch_after;
use crate::reference::label_runs::Run;

/// Cells whose weights are looked at together.
const BLOCK: usize = 64;
/// Partial sums of a slice.
const LANES: usize = 16;

kernel! {
    /// Adds the runs of cells of a channels-last image to `sums` `[K + 2, channels]` (the last row is what is not valid).
    fn add_runs_of_cells(image: &[f32], channels: usize, runs: &[Run], sums: &mut [f64]) {
        for run in runs {
            let cells = &image[run.start as usize * channels..(run.start + run.length) as usize * channels];
            let sums = &mut sums[run.class as usize * channels..][..channels];
            add_cells(cells, channels, |_| 1.0, sums);
        }
    }
}

kernel! {
    /// Adds cells of a channels-last image, weighted, to `sums` `[K + 1, channels]`. `weights`: one slice of as many cells a
    /// class.
    fn add_weighted_cells(cells: &[f32], channels: usize, weights: &[&[f64]], sums: &mut [f64]) {
        for (block, cells) in cells.chunks(BLOCK * channels).enumerate() {
            for (class, (weights, sums)) in weights.iter().zip(sums.chunks_exact_mut(channels)).enumerate() {
                let weights = &weights[block * BLOCK..][..cells.len() / channels];
                // An object that is not here adds nothing. The background is added everywhere, as no cell that is not finite may
                // go unseen.
                if class == 0 || weights.iter().any(|&weight| weight != 0.0) {
                    add_cells(cells, channels, |cell| weights[cell], sums);
                }
            }
        }
    }
}

/// Adds cells, each weighted, to `sums` `[channels]`: a tile of channels at a time, which stays in registers.
#[inline(always)]
fn add_cells(cells: &[f32], channels: usize, weight: impl Fn(usize) -> f64 + Copy, sums: &mut [f64]) {
    let mut first = 0;
    while first + 32 <= channels {
        add_tile::<32, 2>(cells, channels, first, weight, sums);
        first += 32;
    }
    while first + 16 <= channels {
        add_tile::<16, 4>(cells, channels, first, weight, sums);
        first += 16;
    }
    while first + 8 <= channels {
        add_tile::<8, 8>(cells, channels, first, weight, sums);
        first += 8;
    }
    while first < channels {
        add_tile::<1, 8>(cells, channels, first, weight, sums);
        first += 1;
    }
}

/// `N` channels of the cells, `SIDE` of them side by side: one after the other, each sum would wait for the one before.
#[inline(always)]
fn add_tile<const N: usize, const SIDE: usize>(
    cells: &[f32],
    channels: usize,
    first: usize,
    weight: impl Fn(usize) -> f64,
    sums: &mut [f64],
) {
    let mut tiles = [[0.0f64; N]; SIDE];
    let blocks = cells.chunks_exact(SIDE * channels);
    let rest = blocks.remainder().chunks_exact(channels);
    let mut index = 0;
    for block in blocks {
        if first == 0 {
            fetch_after(block);
        }
        for (side, tile) in tiles.iter_mut().enumerate() {
            add_cell(tile, &block[side * channels + first..][..N], weight(index + side));
        }
        index += SIDE;
    }
    for (side, (tile, cell)) in tiles.iter_mut().zip(rest).enumerate() {
        add_cell(tile, &cell[first..first + N], weight(index + side));
    }
    for (lane, sum) in sums[first..first + N].iter_mut().enumerate() {
        *sum += tiles.iter().map(|tile| tile[lane]).sum::<f64>();
    }
}

#[inline(always)]
fn add_cell<const N: usize>(tile: &mut [f64; N], values: &[f32], weight: f64) {
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
