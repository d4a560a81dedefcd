//! Bias field and loss of contrast.

use ndarray::Array3;
use rand::Rng;

use super::Severity;

/// Ratio of the field's maximum to its minimum.
const RATIO: [f64; 3] = [2.0, 4.0, 8.0];

/// The remaining share of each tissue's difference from the signal level.
const CONTRAST: [f32; 3] = [0.6, 0.3, 0.1];

/// Applies a bias field.
pub(super) fn bias(pixels: &mut Array3<f32>, severity: Severity, random: &mut impl Rng) {
    fade(pixels, severity.select(RATIO), random);
}

/// Multiplies every channel by one smooth gain field: the exponential of a random polynomial of second degree in row
/// and column, scaled to run from 1 at its brightest to 1/ratio at its darkest.
pub(in crate::data) fn fade(pixels: &mut Array3<f32>, ratio: f64, random: &mut impl Rng) {
    let (_, height, width) = pixels.dim();
    let angle = random.gen_range(0.0..std::f64::consts::TAU);
    let curve: [f64; 3] = std::array::from_fn(|_| random.gen_range(-0.5..0.5));
    let (sin, cos) = angle.sin_cos();
    let along = |at: usize, side: usize| {
        if side > 1 {
            2.0 * at as f64 / (side - 1) as f64 - 1.0
        } else {
            0.0
        }
    };
    let field = |row: usize, column: usize| {
        let (y, x) = (along(row, height), along(column, width));
        sin * y + cos * x + curve[0] * y * y + curve[1] * x * x + curve[2] * x * y
    };
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for row in 0..height {
        for column in 0..width {
            let value = field(row, column);
            (low, high) = (low.min(value), high.max(value));
        }
    }
    let scale = if high > low {
        ratio.ln() / (high - low)
    } else {
        0.0
    };
    for ((_, row, column), v) in pixels.indexed_iter_mut() {
        *v *= ((field(row, column) - high) * scale).exp() as f32;
    }
}

/// Moves each channel's tissue towards that channel's signal level. Pixels below a tenth of the level (air) stay, those above half of it
/// keep the given share of their difference from it, with a smooth transition between; the order of intensities is preserved.
pub(super) fn flatten(pixels: &mut Array3<f32>, levels: &[f32], severity: Severity) {
    let lost = 1.0 - severity.select(CONTRAST);
    for (mut channel, &level) in pixels.outer_iter_mut().zip(levels) {
        if level > 0.0 {
            channel.mapv_inplace(|v| {
                let t = ((v / level - 0.1) / 0.4).clamp(0.0, 1.0);
                let tissue = t * t * (3.0 - 2.0 * t);
                v + tissue * lost * (level - v)
            });
        }
    }
}
