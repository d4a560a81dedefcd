//! A band without signal.

use ndarray::{Array3, Axis, Slice};
use rand::Rng;

use super::Severity;

/// The band's width as a share of the image's side.
const WIDTH: [f64; 3] = [0.08, 0.16, 0.32];

/// Sets a band of rows or columns of every channel to `dark`. Its direction is random, and so is its centre within the middle half of
/// the side.
pub(super) fn erase(pixels: &mut Array3<f32>, dark: f32, severity: Severity, random: &mut impl Rng) {
    let axis = if random.r#gen::<bool>() { Axis(1) } else { Axis(2) };
    let side = pixels.len_of(axis);
    let centre = random.gen_range(0.25..0.75) * side as f64;
    let half = severity.select(WIDTH) * side as f64 / 2.0;
    let first = (centre - half).floor().max(0.0) as usize;
    let end = ((centre + half).ceil() as usize).min(side);
    pixels.slice_axis_mut(axis, Slice::from(first..end)).fill(dark);
}
