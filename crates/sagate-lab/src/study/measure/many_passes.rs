//! Measurements of several passes, for the more expensive baselines.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::unet::{UNet, UNetConfig};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor, nn};

use super::tensors::{pixels, sums};
use crate::study::error::StudyError;
use crate::train::Sample;

/// Scores of an image from several passes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ManyPasses {
    /// Mean pairwise Dice of the masks of several networks (Zenk et al. 2025), two empty masks agreeing; 0 to 1.
    pub ensemble: f64,
    /// Mean pairwise Dice of the masks of one network with channels dropped at random.
    pub dropout: f64,
    /// Mean pairwise Dice of the masks of the image as it is and flipped along either axis or both, flipped back.
    pub flips: f64,
    /// Variance of gradients (Agarwal et al. 2022): over snapshots of the training, the standard deviation of the derivative of
    /// the output's logits (of each pixel its class's, summed) by an input value; the mean over the input's values.
    pub gradients: f64,
}

/// How the passes are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Passes with dropout.
    pub dropout_passes: usize,
    /// Probability that a channel is dropped.
    pub dropout_share: f64,
    /// Seed of dropout.
    pub seed: u64,
}

/// The networks.
pub struct Networks {
    /// The ensemble: the network itself first.
    members: Vec<InferenceNet>,
    /// The network itself, as it was trained.
    training_form: UNet,
    /// Its snapshots during training.
    snapshots: Vec<UNet>,
}

impl Networks {
    /// From the weights of the ensemble's members, the network itself first, and of its snapshots, all on a device.
    ///
    /// # Errors
    /// Weights that do not fit the architecture.
    pub fn new(
        members: &[Weights],
        snapshots: &[Weights],
        config: &UNetConfig,
        device: Device,
    ) -> Result<Networks, StudyError> {
        let members_of = |weights: &Weights| Ok(InferenceNet::new(weights, config, device)?);
        let training_form = |weights: &Weights| -> Result<UNet, StudyError> {
            let mut store = nn::VarStore::new(device);
            let network = UNet::new(&store.root(), config, 0)?;
            weights.copy_into(&store)?;
            store.freeze();
            Ok(network)
        };
        Ok(Networks {
            training_form: training_form(&members[0])?,
            members: members
                .iter()
                .map(members_of)
                .collect::<Result<_, StudyError>>()?,
            snapshots: snapshots.iter().map(training_form).collect::<Result<_, _>>()?,
        })
    }

    /// The studied network.
    pub fn own(&self) -> &InferenceNet {
        &self.members[0]
    }

    /// The members' masks, `[B, 1, H, W]` of booleans each.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn ensemble(&self, input: &Tensor) -> Result<Vec<Tensor>, StudyError> {
        self.members.iter().map(|member| mask(member, input)).collect()
    }

    /// The masks of passes with dropout.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn dropout(
        &self,
        input: &Tensor,
        sampling: &Sampling,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Tensor>, StudyError> {
        let _no_grad = tch::no_grad_guard();
        let mut masks = Vec::with_capacity(sampling.dropout_passes);
        for _ in 0..sampling.dropout_passes {
            let logits = self
                .training_form
                .forward_dropout(input, sampling.dropout_share, random)?
                .logits;
            masks.push(
                logits
                    .f_narrow(1, 1, 1)?
                    .f_gt_tensor(&logits.f_narrow(1, 0, 1)?)?,
            );
        }
        Ok(masks)
    }

    /// The masks of the image as it is and flipped along either axis or both, flipped back.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn flipped(&self, input: &Tensor) -> Result<Vec<Tensor>, StudyError> {
        let axes: [&[i64]; 4] = [&[], &[2], &[3], &[2, 3]];
        axes.into_iter()
            .map(|axes| Ok(mask(self.own(), &input.f_flip(axes)?)?.f_flip(axes)?))
            .collect()
    }

    /// [`ManyPasses::gradients`] of each image, whose output is `mask`.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn gradients(&self, input: &Tensor, mask: &Tensor) -> Result<Vec<f64>, StudyError> {
        let mut gradients = Vec::with_capacity(self.snapshots.len());
        let mask = mask.f_to_kind(Kind::Float)?;
        for network in &self.snapshots {
            let input = input.f_detach()?.f_set_requires_grad(true)?;
            let logits = network.forward_t(&input, false)?.logits;
            let (background, object) = (logits.f_narrow(1, 0, 1)?, logits.f_narrow(1, 1, 1)?);
            let chosen = object.f_mul(&mask)?.f_add(&background.f_mul(&(1.0 - &mask))?)?;
            let gradient = Tensor::f_run_backward(&[chosen.f_sum(Kind::Float)?], &[&input], false, false)?;
            gradients.extend(gradient);
        }
        let deviation = Tensor::f_stack(&gradients, 0)?.f_std_dim([0].as_slice(), false, false)?;
        let values = deviation.f_get(0)?.numel() as f64;
        Ok(sums(&deviation)?.into_iter().map(|sum| sum / values).collect())
    }
}

/// Measures samples of one size whose sides are multiples of 16.
///
/// # Errors
/// When the samples do not fit the network or each other, or libtorch fails.
pub fn many_passes(
    networks: &Networks,
    samples: &[&Sample],
    sampling: &Sampling,
) -> Result<Vec<ManyPasses>, StudyError> {
    let input = pixels(samples, networks.own().device())?;
    let members = networks.ensemble(&input)?;
    // The same stream for every batch, so that an image's draws depend on its index in the batch alone.
    let mut random = ChaCha8Rng::seed_from_u64(sampling.seed);
    let ensemble = agreement(&members)?;
    let dropout = agreement(&networks.dropout(&input, sampling, &mut random)?)?;
    let flips = agreement(&networks.flipped(&input)?)?;
    let gradients = networks.gradients(&input, &members[0])?;
    Ok((0..samples.len())
        .map(|image| ManyPasses {
            ensemble: ensemble[image],
            dropout: dropout[image],
            flips: flips[image],
            gradients: gradients[image],
        })
        .collect())
}

/// The network's mask, `[B, 1, H, W]` of booleans.
fn mask(net: &InferenceNet, input: &Tensor) -> Result<Tensor, StudyError> {
    let output = net.forward(input, &[])?;
    Ok(output.crop(&output.probability).f_gt(0.5)?)
}

/// Mean Dice over all pairs of masks, an image at a time; two empty masks have 1.
fn agreement(masks: &[Tensor]) -> Result<Vec<f64>, TchError> {
    let sizes: Result<Vec<Vec<f64>>, _> = masks.iter().map(sums).collect();
    let sizes = sizes?;
    let images = sizes.first().map_or(0, Vec::len);
    let (mut total, mut pairs) = (vec![0.0; images], 0.0);
    for first in 0..masks.len() {
        for second in first + 1..masks.len() {
            let both = sums(&masks[first].f_logical_and(&masks[second])?)?;
            for image in 0..images {
                let either = sizes[first][image] + sizes[second][image];
                total[image] += if either > 0.0 {
                    2.0 * both[image] / either
                } else {
                    1.0
                };
            }
            pairs += 1.0;
        }
    }
    Ok(total.into_iter().map(|sum| sum / pairs).collect())
}
