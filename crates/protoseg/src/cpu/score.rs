//! Kernels for the affine score of a feature map at its own resolution, and for its interpolation to the image's.

use std::mem::MaybeUninit;

use crate::interpolation::Axis;
use crate::kernel;
use crate::platform::{Isa, fetch_after};

/// Number of SIMD lanes: products of a position that are summed in parallel, and positions that are scored in parallel.
const LANES: usize = 8;

kernel! {
    /// `direction . f + bias` of positions of a channels-last image, with float64 sums.
    fn score_positions(positions: &[f32], channels: usize, direction: &[f64], bias: f64, scores: &mut [f64]) {
        let (blocks, rest) = scores.as_chunks_mut::<LANES>();
        let (together, apart) = positions.split_at(blocks.len() * LANES * channels);
        for (block, scores) in together.chunks_exact(LANES * channels).zip(blocks) {
            fetch_after(block);
            let mut products = [[0.0f64; LANES]; LANES];
            for (position, products) in block.chunks_exact(channels).zip(&mut products) {
                *products = multiply(position, direction);
            }
            *scores = totals(&products).map(|total| total + bias);
        }
        for (position, score) in apart.chunks_exact(channels).zip(rest) {
            let products = [multiply(position, direction); LANES];
            *score = totals(&products)[0] + bias;
        }
    }
}

/// The products of a position and the direction in `LANES` sums.
#[inline(always)]
fn multiply(position: &[f32], direction: &[f64]) -> [f64; LANES] {
    let mut products = [0.0; LANES];
    let ((values, last), (weights, last_weights)) =
        (position.as_chunks::<LANES>(), direction.as_chunks::<LANES>());
    for (values, weights) in values.iter().zip(weights) {
        for lane in 0..LANES {
            products[lane] += f64::from(values[lane]) * weights[lane];
        }
    }
    for ((product, &value), &weight) in products.iter_mut().zip(last).zip(last_weights) {
        *product += f64::from(value) * weight;
    }
    products
}

/// The pairwise sum of each row, computed by the steps of a transposition, so that all rows are summed at once.
#[inline(always)]
fn totals(rows: &[[f64; LANES]; LANES]) -> [f64; LANES] {
    let pairs = |a: &[f64; LANES], b: &[f64; LANES]| {
        [
            a[0] + a[1],
            b[0] + b[1],
            a[2] + a[3],
            b[2] + b[3],
            a[4] + a[5],
            b[4] + b[5],
            a[6] + a[7],
            b[6] + b[7],
        ]
    };
    let fours = |a: &[f64; LANES], b: &[f64; LANES]| {
        [
            a[0] + a[2],
            a[1] + a[3],
            b[0] + b[2],
            b[1] + b[3],
            a[4] + a[6],
            a[5] + a[7],
            b[4] + b[6],
            b[5] + b[7],
        ]
    };
    let first = fours(&pairs(&rows[0], &rows[1]), &pairs(&rows[2], &rows[3]));
    let second = fours(&pairs(&rows[4], &rows[5]), &pairs(&rows[6], &rows[7]));
    [
        first[0] + first[4],
        first[1] + first[5],
        first[2] + first[6],
        first[3] + first[7],
        second[0] + second[4],
        second[1] + second[5],
        second[2] + second[6],
        second[3] + second[7],
    ]
}

kernel! {
    /// Adds `direction * f` of one plane's part to the scores of its positions.
    fn add_plane(plane: &[f32], direction: f64, scores: &mut [f64]) {
        for (score, &value) in scores.iter_mut().zip(plane) {
            *score += direction * f64::from(value);
        }
    }
}

kernel! {
    /// `line = a * (1 - weight) + b * weight`, the interpolation between two rows.
    fn lerp_rows(a: &[f64], b: &[f64], weight: f64, line: &mut [f64]) {
        for ((value, &a), &b) in line.iter_mut().zip(a).zip(b) {
            *value = a + (b - a) * weight;
        }
    }
}

kernel! {
    /// The interpolation along a row.
    fn lerp_row(positions: &[f64], axis: &Axis, line: &mut [f64]) {
        let places = axis.first.iter().zip(&axis.second).zip(&axis.weight);
        for (value, ((&first, &second), &weight)) in line.iter_mut().zip(places) {
            let (a, b) = (positions[first as usize], positions[second as usize]);
            *value = a + (b - a) * weight;
        }
    }
}

kernel! {
    /// The probability `1 / (1 + exp(-score))` and the SAM `score > 0` of a row, and how many of its pixels the SAM and
    /// the class of the output share: `(both, sam)` over the valid ones.
    fn finish_row(
        score: &[f64],
        labels: &[u8],
        class: u8,
        invalid: u8,
        probability: &mut [MaybeUninit<f32>],
        sam: &mut [MaybeUninit<u8>],
    ) -> (u32, u32) {
        for (probability, &score) in probability.iter_mut().zip(score) {
            *probability = MaybeUninit::new(sigmoid(score as f32));
        }
        let (mut both, mut all) = (0u32, 0u32);
        for ((sam, &score), &label) in sam.iter_mut().zip(score).zip(labels) {
            let object = u8::from(score > 0.0);
            *sam = MaybeUninit::new(object);
            both += u32::from(object & u8::from(label == class));
            all += u32::from(object & u8::from(label != invalid));
        }
        (both, all)
    }
}

/// `1 / (1 + exp(-x))` within 2e-7, without a branch so that it vectorises: exp by its power of two and a polynomial of degree
/// 6 on the rest (coefficients of Cephes' expf).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    // Beyond 87 the result is 0 or 1 in float32, and exp would leave its range.
    let x = (-x).clamp(-87.0, 87.0);
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let rest = x - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let mut polynomial = 1.987_569_1e-4f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        polynomial = polynomial * rest + coefficient;
    }
    let fraction = polynomial * rest * rest + rest + 1.0;
    // The low bits of the rounded sum hold the integer.
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    1.0 / (1.0 + fraction * f32::from_bits(exponent))
}

kernel! {
    /// Probabilities as 0 to 255, rounded.
    fn to_bytes(probability: &[f32], bytes: &mut [u8]) {
        // Above 2^23 a float32 has no fraction, so the sum is rounded and its low bits hold the integer. `round` would be a function call
        // for each value.
        const ROUND: f32 = 8_388_608.0;
        for (byte, &value) in bytes.iter_mut().zip(probability) {
            *byte = (value * 255.0 + ROUND).to_bits() as u8;
        }
    }
}

kernel! {
    /// The counts of one unit's own SAM in a row: `(both, sam)` over the valid pixels.
    fn count_row(row: &[f64], labels: &[u8], class: u8, invalid: u8, sign: f64, limit: f64) -> (u32, u32) {
        let (mut both, mut all) = (0u32, 0u32);
        for (&value, &label) in row.iter().zip(labels) {
            let object = u8::from(sign * value > limit);
            both += u32::from(object & u8::from(label == class));
            all += u32::from(object & u8::from(label != invalid));
        }
        (both, all)
    }
}

/// The same as [`finish_row`] for several classes: softmax over the background's score 0 and the classes', and the class of the
/// nearest prototype. `scores` and `probability` hold one row a class; `counts` gets `(both, sam)` a class.
pub(super) fn finish_row_multiclass(
    scores: &[Vec<f64>],
    labels: &[u8],
    invalid: u8,
    probability: &mut [&mut [MaybeUninit<f32>]],
    sam: &mut [MaybeUninit<u8>],
    counts: &mut [(u32, u32)],
) {
    for (pixel, (sam, &label)) in sam.iter_mut().zip(labels).enumerate() {
        let best = nearest(scores, pixel);
        let mut whole = (-best.0).exp();
        for row in scores {
            whole += (row[pixel] - best.0).exp();
        }
        for (row, probability) in scores.iter().zip(probability.iter_mut()) {
            probability[pixel] = MaybeUninit::new(((row[pixel] - best.0).exp() / whole) as f32);
        }
        *sam = MaybeUninit::new(best.1);
        count_pixel(best.1, label, invalid, counts);
    }
}

/// The counts of [`finish_row_multiclass`] without its maps.
pub(super) fn count_row_multiclass(
    scores: &[Vec<f64>],
    labels: &[u8],
    invalid: u8,
    counts: &mut [(u32, u32)],
) {
    for (pixel, &label) in labels.iter().enumerate() {
        count_pixel(nearest(scores, pixel).1, label, invalid, counts);
    }
}

/// The highest score of a pixel and its class; 0 and the background where none is positive.
fn nearest(scores: &[Vec<f64>], pixel: usize) -> (f64, u8) {
    let mut best = (0.0, 0u8);
    for (class, row) in scores.iter().enumerate() {
        if row[pixel] > best.0 {
            best = (row[pixel], class as u8 + 1);
        }
    }
    best
}

fn count_pixel(class: u8, label: u8, invalid: u8, counts: &mut [(u32, u32)]) {
    if class > 0 && label != invalid {
        let counts = &mut counts[class as usize - 1];
        counts.1 += 1;
        counts.0 += u32::from(label == class);
    }
}

/// Rows of an image from positions of a layer's resolution: linear interpolation along up to three axes, a row at a time.
pub(super) struct Rows<'a> {
    axes: &'a [Axis],
    between: Vec<f64>,
    second: Vec<f64>,
}

impl<'a> Rows<'a> {
    pub fn new(axes: &'a [Axis]) -> Rows<'a> {
        let width = axes[axes.len() - 1].positions;
        Rows {
            axes,
            between: vec![0.0; width],
            second: vec![0.0; width],
        }
    }

    /// Writes row `index` (over all outer axes, the last fastest) of the interpolated `positions` to `line`.
    pub fn row(&mut self, isa: Isa, positions: &[f64], index: usize, line: &mut [f64]) {
        let (outer, axis) = self.axes.split_at(self.axes.len() - 1);
        let width = axis[0].positions;
        let (plane, row) = match outer {
            [] => (None, None),
            [rows] => (None, Some((rows, index))),
            [planes, rows] => (
                Some((planes, index / rows.pixels())),
                Some((rows, index % rows.pixels())),
            ),
            _ => unreachable!("a feature has 1 to 3 spatial dimensions"),
        };
        let Some((rows, row)) = row else {
            return along(isa, positions, &axis[0], line);
        };
        let in_plane = |plane: usize, out: &mut [f64]| {
            let positions = &positions[plane * rows.positions * width..][..rows.positions * width];
            let (first, second) = (rows.first[row] as usize, rows.second[row] as usize);
            let weight = rows.weight[row];
            lerp_rows(
                isa,
                &positions[first * width..][..width],
                &positions[second * width..][..width],
                weight,
                out,
            );
        };
        match plane {
            None => in_plane(0, &mut self.between),
            Some((planes, plane)) => {
                in_plane(planes.first[plane] as usize, &mut self.between);
                in_plane(planes.second[plane] as usize, &mut self.second);
                let weight = planes.weight[plane];
                for (a, b) in self.between.iter_mut().zip(&self.second) {
                    *a += (b - *a) * weight;
                }
            }
        }
        along(isa, &self.between, &axis[0], line);
    }
}

fn along(isa: Isa, positions: &[f64], axis: &Axis, line: &mut [f64]) {
    if axis.is_identity() {
        line.copy_from_slice(positions);
    } else {
        lerp_row(isa, positions, axis, line);
    }
}

#[cfg(test)]
mod tests {
    use super::sigmoid;

    /// A wrong coefficient or power would show as a probability that is off in the sixth digit.
    #[test]
    fn sigmoid_is_exact_to_float32() {
        for step in -400_000..=400_000 {
            let x = f64::from(step) * 2.5e-4;
            let exact = 1.0 / (1.0 + (-x).exp());
            assert!(
                (f64::from(sigmoid(x as f32)) - exact).abs() < 2.5e-7,
                "sigmoid({x})"
            );
        }
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37);
    }
}
