//! Comparison of prototype masks and of the resolutions at which SAMs are scored.

use protoseg::{MaskKind, Prediction, ProtoSeg};
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::layers::LAYER_COUNT;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use super::measure::pixels;
use super::record::in_batches;
use super::set::SetImages;
use super::training::Trained;

/// SA scores (eq. 8) against the network's output of each clean test image's 18 layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Masks {
    /// `[images][layers]`: hard masks, SAMs upsampled to the image's resolution, as in the rest of the study.
    pub hard: Vec<Vec<f64>>,
    /// Prototypes by the network's probabilities instead of its mask.
    pub soft: Vec<Vec<f64>>,
    /// Hard masks averaged to each layer's own resolution, and SAMs scored there.
    pub layer: Vec<Vec<f64>>,
}

/// Scores the clean test images of a set in each way.
///
/// # Errors
/// Weights that do not fit, or libtorch failing.
pub fn masks(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    network: &Cached<Trained>,
) -> Result<Cached<Masks>, StudyError> {
    site.cache.step(step, |_| {
        let net = InferenceNet::new(&network.weights()?, &network.value.network, site.device)?;
        let scores = in_batches(&images.corrupted(None)?, |batch| {
            in_each_way(&net, &pixels(batch, site.device)?)
        })?;
        let of = |way: usize| scores.iter().map(|image| image[way].clone()).collect();
        Ok(Masks {
            hard: of(0),
            soft: of(1),
            layer: of(2),
        })
    })
}

/// For each image the scores of all layers: hard, soft, at the layer's resolution.
fn in_each_way(net: &InferenceNet, input: &Tensor) -> Result<Vec<[Vec<f64>; 3]>, StudyError> {
    let _no_grad = tch::no_grad_guard();
    let every: Vec<usize> = (1..=LAYER_COUNT).collect();
    let output = net.forward(input, &every)?;
    let reference = |kind| Prediction::new(&output.probability, output.valid.as_ref(), kind);
    let (hard, soft) = (reference(MaskKind::Hard)?, reference(MaskKind::Soft)?);
    let method = ProtoSeg::default();
    let mut images = vec![[const { Vec::new() }; 3]; input.size()[0] as usize];
    for tap in output.taps.values() {
        let layer = hard.at_resolution(&tap.size()[2..])?;
        for (way, reference) in [&hard, &soft, &layer].into_iter().enumerate() {
            let scores = method.layer(tap, reference)?.score;
            for (image, score) in images.iter_mut().zip(scores) {
                image[way].push(score);
            }
        }
    }
    Ok(images)
}
