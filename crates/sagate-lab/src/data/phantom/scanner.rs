//! The acquisition: from tissue signal to raw pixels.

use ndarray::Array3;

use super::rng::PhantomRng;
use super::scene::graded;
use crate::data::corruption::blur::convolve_gaussian;
use crate::data::corruption::intensity::fade;
use crate::data::corruption::noise;

/// Raw pixels are integers from 0 to this, as from a 12-bit scanner; the brightest tissue lies at
/// [`SIGNAL`] of it, so that noise and gain seldom saturate.
const TOP: f32 = 4095.0;
const SIGNAL: f32 = 0.75;

/// The noise of a kind of scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    /// Of a magnitude image, as MR has it.
    Rician,
    /// Normally distributed, as CT and photographs have it.
    Gaussian,
}

/// Ranges of a family's acquisition parameters at difficulty 0 and at difficulty 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranges {
    /// Largest logarithm of the gain, either way.
    pub gain: [f32; 2],
    /// Largest logarithm of the exponent of the signal, either way.
    pub gamma: [f32; 2],
    /// Logarithm of the ratio of the bias field's maximum to its minimum.
    pub bias: [f32; 2],
    /// Standard deviation of the point spread, as a share of the image's side.
    pub blur: [f32; 2],
    /// Standard deviation of the noise, as a share of the brightest tissue's signal.
    pub noise: [f32; 2],
}

/// How one image was acquired.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Acquisition {
    /// Factor of the whole signal.
    pub gain: f32,
    /// Exponent of the signal: above 1 dark tissues come out darker.
    pub gamma: f32,
    /// Ratio of the bias field's maximum to its minimum.
    pub bias: f32,
    /// Standard deviation of the point spread, as a share of the side.
    pub blur: f32,
    /// Standard deviation of the noise, as a share of the brightest tissue's signal.
    pub noise: f32,
}

impl Acquisition {
    /// The parameters' names, in the order of [`Acquisition::values`].
    pub const NAMES: [&'static str; 5] = ["gain", "gamma", "bias", "blur", "noise"];

    /// Draws an acquisition of a difficulty: amounts within a quarter of what the ranges say, shifts up to it.
    pub fn draw(ranges: &Ranges, difficulty: f32, rng: &mut PhantomRng) -> Self {
        let most = |[easy, hard]: [f32; 2]| graded(easy, hard, difficulty);
        Self {
            gain: rng.uniform_around(0.0, most(ranges.gain)).exp(),
            gamma: rng.uniform_around(0.0, most(ranges.gamma)).exp(),
            bias: (most(ranges.bias) * rng.uniform_around(1.0, 0.25)).exp(),
            blur: most(ranges.blur) * rng.uniform_around(1.0, 0.25),
            noise: most(ranges.noise) * rng.uniform_around(1.0, 0.25),
        }
    }

    /// The parameters in the order of [`Acquisition::NAMES`].
    pub fn values(&self) -> [f32; 5] {
        [self.gain, self.gamma, self.bias, self.blur, self.noise]
    }

    /// Turns signal (0 to 1) into raw pixels. `shape` is where the bias field comes from, `grain` where the noise does.
    pub fn apply(
        &self,
        pixels: &mut Array3<f32>,
        kind: Noise,
        shape: &mut PhantomRng,
        grain: &mut PhantomRng,
    ) {
        pixels.mapv_inplace(|v| v.max(0.0).powf(self.gamma));
        convolve_gaussian(pixels, f64::from(self.blur * pixels.dim().1 as f32).max(1e-3));
        fade(pixels, f64::from(self.bias), shape.inner());
        let random = grain.inner();
        pixels.mapv_inplace(|v| {
            let signal = v * self.gain;
            let noisy = match kind {
                Noise::Rician => noise::rician(signal, self.noise, random),
                Noise::Gaussian => noise::gaussian(signal, self.noise, random),
            };
            (noisy * SIGNAL * TOP).round().clamp(0.0, TOP)
        });
    }
}
