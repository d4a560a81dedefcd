//! `A^T M A` of a tile: of four sums `[m0 + m1 + m2, m1 - m2 - m3]`, for rows and columns; then bias and ReLU.

use super::kernels::WIDTH;
use super::lanes::{LANES, Lanes, add, load, sub};
use super::tiles::POSITIONS;

/// The four outputs of a tile, row by row, for eight channels from `lane` on. `sums` has a plane of `[tiles, WIDTH]` a position.
#[inline(always)]
pub(super) fn outputs(
    sums: &[&[[f32; WIDTH]]; POSITIONS],
    tile: usize,
    lane: usize,
    bias: &[f32; WIDTH],
    relu: bool,
) -> [Lanes; 4] {
    let sum = |position: usize| load(&sums[position][tile][lane..lane + LANES]);
    let columns: [[Lanes; 2]; 4] =
        std::array::from_fn(|row| pair(&std::array::from_fn(|column| sum(4 * row + column))));
    let bias = load(&bias[lane..lane + LANES]);
    let [left, right] = std::array::from_fn(|column| {
        pair(&std::array::from_fn(|row| columns[row][column])).map(|value| {
            let value = add(&value, &bias);
            if relu { value.map(rectified) } else { value }
        })
    });
    [left[0], right[0], left[1], right[1]]
}

/// What is not a number stays none, for the gate to find.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

#[inline(always)]
fn pair(sums: &[Lanes; 4]) -> [Lanes; 2] {
    let [first, second, third, fourth] = sums;
    [add(&add(first, second), third), sub(&sub(second, third), fourth)]
}
