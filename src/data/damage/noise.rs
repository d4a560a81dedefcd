//! Noise.

use ndarray::Array3;
use rand::Rng;
use rand_distr::StandardNormal;

use super::Grade;

/// Standard deviation as a share of the signal level: a signal-to-noise ratio of 12, 6 and 3.
const SHARE: [f32; 3] = [1.0 / 12.0, 1.0 / 6.0, 1.0 / 3.0];

/// Adds normally distributed noise to every pixel.
pub(super) fn gaussian(pixels: &mut Array3<f32>, level: f32, grade: Grade, random: &mut impl Rng) {
    let sigma = level * grade.of(SHARE);
    pixels.mapv_inplace(|v| v + sigma * random.sample::<f32, _>(StandardNormal));
}

/// Replaces every pixel by the magnitude of a complex signal of that size with noise of the same spread on its real and
/// its imaginary part. The sign of a negative pixel is kept.
pub(super) fn rician(pixels: &mut Array3<f32>, level: f32, grade: Grade, random: &mut impl Rng) {
    let sigma = level * grade.of(SHARE);
    pixels.mapv_inplace(|v| {
        let real = v.abs() + sigma * random.sample::<f32, _>(StandardNormal);
        let imaginary = sigma * random.sample::<f32, _>(StandardNormal);
        real.hypot(imaginary).copysign(v)
    });
}
