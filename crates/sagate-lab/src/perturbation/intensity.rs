//! Random intensity transforms. Strengths are 0 to 1; amplitudes are relative to the channel's range or standard deviation.

use ndarray::{Array2, Array3, ArrayViewMut2};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Segments of the remap curve.
const KNOTS: usize = 6;

/// Non-linear remap: maps the intensities of each channel by a piecewise linear curve through random knots, which need not be monotonic.
pub(super) fn remap(pixels: &mut Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    let knots: Vec<f32> = (0..=KNOTS)
        .map(|knot| (knot as f64 / KNOTS as f64 + 0.6 * strength * random.gen_range(-1.0..1.0)) as f32)
        .collect();
    for channel in pixels.outer_iter_mut() {
        map_within_range(channel, |share| {
            let position = share * KNOTS as f32;
            let below = (position as usize).min(KNOTS - 1);
            knots[below] + (knots[below + 1] - knots[below]) * (position - below as f32)
        });
    }
}

/// Applies one random filter to every channel; its weights sum to one. Half of the filters smooth, the others sharpen or shift edges.
pub(super) fn filter(pixels: &mut Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    let reach = random.gen_range(1..=2i64);
    let side = (2 * reach + 1) as usize;
    let smooth = random.gen_bool(0.5);
    let mut kernel = Array2::from_shape_simple_fn((side, side), || {
        let normal: f64 = StandardNormal.sample(random);
        if smooth { normal.abs() } else { normal }
    });
    if !smooth {
        let mean = kernel.mean().unwrap_or(0.0);
        kernel.mapv_inplace(|weight| 0.5 * (weight - mean));
    } else {
        let sum = kernel.sum();
        kernel.mapv_inplace(|weight| weight / sum);
    }
    let keep = if smooth { 1.0 - strength } else { 1.0 };
    kernel.mapv_inplace(|weight| weight * strength);
    kernel[[reach as usize, reach as usize]] += keep;
    for mut channel in pixels.outer_iter_mut() {
        let source = channel.to_owned();
        let (height, width) = source.dim();
        let clamp = |at: i64, side: usize| at.clamp(0, side as i64 - 1) as usize;
        channel.indexed_iter_mut().for_each(|((row, column), value)| {
            let weighted = kernel.indexed_iter().map(|((down, right), weight)| {
                let row = clamp(row as i64 + down as i64 - reach, height);
                let column = clamp(column as i64 + right as i64 - reach, width);
                weight * f64::from(source[[row, column]])
            });
            *value = weighted.sum::<f64>() as f32;
        });
    }
}

/// Correlated noise: adds Gaussian noise with a correlation length of 1, 2, 4 or 8 pixels.
pub(super) fn correlated_noise(pixels: &mut Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    let width = 1usize << random.gen_range(0..4);
    for mut channel in pixels.outer_iter_mut() {
        let noise = field(channel.dim(), width, random);
        let amplitude = (1.5 * strength) as f32 * channel.std(0.0);
        channel.zip_mut_with(&noise, |value, noise| *value += amplitude * noise);
    }
}

/// Bias field: multiplies intensities above the channel's minimum by a smooth random gain field.
pub(super) fn bias_field(pixels: &mut Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    let (_, height, width) = pixels.dim();
    let smooth = field((height, width), (height.max(width) / 3).max(1), random);
    for mut channel in pixels.outer_iter_mut() {
        let low = channel.iter().copied().fold(f32::INFINITY, f32::min);
        channel.zip_mut_with(&smooth, |value, &field| {
            *value = low + (*value - low) * (1.2 * strength as f32 * field).exp();
        });
    }
}

/// Random erasing: fills one to three rectangles, each with one value of the channel's range.
pub(super) fn erase(pixels: &mut Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    let (_, height, width) = pixels.dim();
    for _ in 0..random.gen_range(1..=3) {
        let mut extent = |side: usize| {
            let share = strength * random.gen_range(0.1..1.0);
            let length = ((side as f64 * share) as usize).clamp(1, side);
            let first = random.gen_range(0..=side - length);
            first..first + length
        };
        let (rows, columns) = (extent(height), extent(width));
        let share = random.r#gen::<f32>();
        for mut channel in pixels.outer_iter_mut() {
            let (low, high) = range(&channel);
            channel
                .slice_mut(ndarray::s![rows.clone(), columns.clone()])
                .fill(low + share * (high - low));
        }
    }
}

/// Mixup: blends another image of the same size in.
pub(super) fn mixup(pixels: &mut Array3<f32>, other: &Array3<f32>, strength: f64, random: &mut ChaCha8Rng) {
    if pixels.dim() == other.dim() {
        let share = (strength * random.gen_range(0.3..0.9)) as f32;
        pixels.zip_mut_with(other, |value, other| *value += share * (other - *value));
    }
}

/// A Gaussian random field: independent values on a grid of `cell` pixels, interpolated bilinearly.
fn field((height, width): (usize, usize), cell: usize, random: &mut ChaCha8Rng) -> Array2<f32> {
    let (rows, columns) = (height / cell + 2, width / cell + 2);
    let knots = Array2::from_shape_simple_fn((rows, columns), || -> f32 { StandardNormal.sample(random) });
    if cell == 1 {
        return knots.slice_move(ndarray::s![..height, ..width]);
    }
    Array2::from_shape_fn((height, width), |(row, column)| {
        let (down, right) = (row as f32 / cell as f32, column as f32 / cell as f32);
        let (top, left) = (down as usize, right as usize);
        let (down, right) = (down - top as f32, right - left as f32);
        let lerp_row = |row: usize| knots[[row, left]] * (1.0 - right) + knots[[row, left + 1]] * right;
        lerp_row(top) * (1.0 - down) + lerp_row(top + 1) * down
    })
}

/// Applies a curve to each value, normalised to 0..=1 by the channel's range.
fn map_within_range(mut channel: ArrayViewMut2<'_, f32>, curve: impl Fn(f32) -> f32) {
    let (low, high) = range(&channel);
    let span = high - low;
    if span > 0.0 {
        channel.mapv_inplace(|value| low + span * curve((value - low) / span));
    }
}

fn range(channel: &ArrayViewMut2<'_, f32>) -> (f32, f32) {
    channel
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        })
}
