//! Noise.

use ndarray::Array3;
use rand::Rng;
use rand_distr::StandardNormal;

use super::Severity;

/// Standard deviation as a share of the signal level: a signal-to-noise ratio of 12, 6 and 3.
const SHARE: [f32; 3] = [1.0 / 12.0, 1.0 / 6.0, 1.0 / 3.0];

/// Maps a pixel value and a standard deviation to a noisy value.
type Noise<R> = fn(f32, f32, &mut R) -> f32;

/// Adds noise to each channel, relative to that channel's signal level.
pub(super) fn add<R: Rng>(
    pixels: &mut Array3<f32>,
    levels: &[f32],
    severity: Severity,
    noise: Noise<R>,
    random: &mut R,
) {
    for (mut channel, level) in pixels.outer_iter_mut().zip(levels) {
        let sigma = level * severity.select(SHARE);
        channel.mapv_inplace(|v| noise(v, sigma, random));
    }
}

/// Adds normally distributed noise.
pub(in crate::data) fn gaussian(v: f32, sigma: f32, random: &mut impl Rng) -> f32 {
    v + sigma * random.sample::<f32, _>(StandardNormal)
}

/// The magnitude of a complex signal of the pixel's size with noise of the same spread on its real and its imaginary part.
/// The sign of a negative pixel is kept.
pub(in crate::data) fn rician(v: f32, sigma: f32, random: &mut impl Rng) -> f32 {
    let real = v.abs() + sigma * random.sample::<f32, _>(StandardNormal);
    let imaginary = sigma * random.sample::<f32, _>(StandardNormal);
    real.hypot(imaginary).copysign(v)
}
