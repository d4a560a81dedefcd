//! Effect of noise on layers (Fig. 16).

use protoseg::Metric;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::layers::LAYER_COUNT;
use serde::{Deserialize, Serialize};

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use super::measure::one_pass;
use super::record::in_batches;
use super::set::SetImages;
use super::training::Trained;
use crate::train::Sample;

/// SA scores of noisy images against the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Greatest values of the noise, as a share of the range of the prepared image's channel; the first is 0.
    pub levels: Vec<f64>,
    /// `[levels][layers]`: mean over the test images of the SA score (eq. 8) of each layer's SAM against the truth.
    pub layers: Vec<Vec<f64>>,
    /// `[levels]`: mean Dice of the output.
    pub output: Vec<f64>,
}

/// Adds noise that is uniform from 0 to each level to the prepared clean test images. A level's noise is that of every other,
/// only stronger.
///
/// # Errors
/// As [`one_pass`].
pub fn noise(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    network: &Cached<Trained>,
    levels: &[f64],
    seed: u64,
    advance: &mut dyn FnMut(f64),
) -> Result<Cached<Noise>, StudyError> {
    site.cache.step(step, |_| {
        let net = InferenceNet::new(&network.weights()?, &network.value.network, site.device)?;
        let clean = images.corrupted(None)?;
        let levels: Vec<f64> = std::iter::once(0.0).chain(levels.iter().copied()).collect();
        let (mut layers, mut output) = (Vec::new(), Vec::new());
        for (done, &level) in levels.iter().enumerate() {
            let noisy: Vec<Sample> = (0u64..)
                .zip(&clean)
                .map(|(index, sample)| add(sample, level, seed + index))
                .collect();
            let passes = in_batches(&noisy, |batch| one_pass(&net, batch, 1.0))?;
            let mean = |value: &dyn Fn(usize) -> f64| {
                (0..passes.len()).map(value).sum::<f64>() / passes.len() as f64
            };
            let of_layer =
                |layer: usize| mean(&|image| Metric::Dice.score(passes[image].layers[layer].truth));
            layers.push((0..LAYER_COUNT).map(of_layer).collect());
            output.push(mean(&|image| Metric::Dice.score(passes[image].output)));
            advance((done + 1) as f64 / levels.len() as f64);
        }
        Ok(Noise {
            levels,
            layers,
            output,
        })
    })
}

/// Adds noise to each channel, in shares of its range.
fn add(sample: &Sample, level: f64, seed: u64) -> Sample {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = sample.clone();
    for mut channel in sample.pixels.outer_iter_mut() {
        let (low, high) = channel
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
                (low.min(v), high.max(v))
            });
        channel.mapv_inplace(|value| value + level as f32 * (high - low) * random.r#gen::<f32>());
    }
    sample
}
