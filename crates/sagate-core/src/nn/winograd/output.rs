//! `A^T M A` of a tile: of four sums `[m0 + m1 + m2, m1 - m2 - m3]`, for rows and columns; then bias and ReLU.

use super::lanes::{LANES, Lanes, add, load, sub};
use super::sizes::{POSITIONS, WIDTH};

/// The four outputs of a tile, row by row, for eight channels from `lane` on. `sums` has a plane of `[tiles, WIDTH]` a position.
#[inline(always)]
pub(super) fn outputs(
    sums: &[&[[f32; WIDTH]]; POSITIONS],
    tile: usize,
    lane: usize,
    bias: &[f32; WIDTH],
    relu: bool,
) -> [Lanes; 4] {
    let bias = load(&bias[lane..lane + LANES]);
    let (mut left, mut right) = ([[0.0; LANES]; 4], [[0.0; LANES]; 4]);
    for row in 0..4 {
        let mut columns = [[0.0; LANES]; 4];
        for column in 0..4 {
            columns[column] = load(&sums[4 * row + column][tile][lane..lane + LANES]);
        }
        [left[row], right[row]] = pair(&columns);
    }
    let [left, right] = [finished(&left, &bias, relu), finished(&right, &bias, relu)];
    [left[0], right[0], left[1], right[1]]
}

/// The two outputs of a column of sums.
#[inline(always)]
fn finished(column: &[Lanes; 4], bias: &Lanes, relu: bool) -> [Lanes; 2] {
    let mut outputs = pair(column);
    for output in &mut outputs {
        *output = add(output, bias);
        if relu {
            for value in output {
                *value = rectified(*value);
            }
        }
    }
    outputs
}

/// ReLU that preserves NaN, so that the gate detects it.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

#[inline(always)]
fn pair(sums: &[Lanes; 4]) -> [Lanes; 2] {
    let [first, second, third, fourth] = sums;
    [add(&add(first, second), third), sub(&sub(second, third), fourth)]
}
