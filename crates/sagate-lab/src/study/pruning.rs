//! Pruning of the inertia units of the last two layers (section 4.5: they contribute a constant, eq. 11).

use std::time::Instant;

use protoseg::Metric;
use sagate_core::gate::evaluation::median;
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::unet::NORM_EPSILON;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use super::measure::{OnePass, confusions, pixels, truth};
use super::record::{Records, in_batches};
use super::set::SetImages;
use super::training::Trained;
use crate::train::Sample;

/// A unit is kept where its mean SA score over the validation images is at least this share of its layer's best.
const ACTIVE: f64 = 0.5;

/// A network before and after pruning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pruned {
    /// Units of layers 17 and 18.
    pub units: [usize; 2],
    /// Those that stay.
    pub kept: [usize; 2],
    /// Dice of each clean test image without the inertia units.
    pub dice: Vec<f64>,
    /// Seconds of the last block and the output with all units, and with those that stay: medians over the batches.
    pub seconds: [f64; 2],
}

/// Removes the inertia units of a network: each is replaced by the constant that it gives on average over the validation images.
///
/// # Errors
/// Weights that do not fit, or libtorch failing.
pub fn prune(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    network: &Cached<Trained>,
    records: &Records,
) -> Result<Cached<Pruned>, StudyError> {
    site.cache.step(step, |_| {
        let _no_grad = tch::no_grad_guard();
        let weights = network.weights()?;
        let net = InferenceNet::new(&weights, &network.value.network, site.device)?;
        let units = records.validation[0].pass.units.len() / 2;
        let kept = [0, 1].map(|layer| active(records, layer * units, units));
        let whole = LastBlock::new(&weights, site.device)?;
        let pruned = whole.without(&kept, &whole.means(&net, &images.samples.validation)?)?;
        let (mut dice, mut seconds) = (Vec::new(), [Vec::new(), Vec::new()]);
        let clean = images.corrupted(None)?;
        dice.extend(in_batches(&clean, |batch| {
            let taps = net.forward(&pixels(batch, site.device)?, &[2, 16])?.taps;
            let timed = |block: &LastBlock| -> Result<(Tensor, f64), StudyError> {
                let since = Instant::now();
                let object = block.object(&taps[&16], &taps[&2])?;
                Ok((object, since.elapsed().as_secs_f64()))
            };
            // Once each to warm up.
            drop((timed(&whole)?, timed(&pruned)?));
            seconds[0].push(timed(&whole)?.1);
            let (object, time) = timed(&pruned)?;
            seconds[1].push(time);
            let counts = confusions(&object.f_to_kind(Kind::Uint8)?, &truth(batch, site.device)?)?;
            Ok(counts
                .into_iter()
                .map(|counts| Metric::Dice.score(counts))
                .collect())
        })?);
        Ok(Pruned {
            units: [units; 2],
            kept: kept.map(|kept| kept.len()),
            dice,
            seconds: seconds.map(median),
        })
    })
}

/// The units from `first` on that are active.
fn active(records: &Records, first: usize, count: usize) -> Vec<i64> {
    let mean = |unit: usize| {
        let of = |pass: &OnePass| pass.units[first + unit];
        records
            .validation
            .iter()
            .map(|record| of(&record.pass))
            .sum::<f64>()
    };
    let means: Vec<f64> = (0..count).map(mean).collect();
    let best = means.iter().copied().fold(0.0, f64::max);
    (0..count)
        .filter(|&unit| means[unit] >= ACTIVE * best)
        .map(|unit| unit as i64)
        .collect()
}

/// Decoder 1 and the output layer, batch norm folded in.
struct LastBlock {
    up: [Tensor; 2],
    first: [Tensor; 2],
    second: [Tensor; 2],
    head: [Tensor; 2],
}

impl LastBlock {
    fn new(weights: &Weights, device: Device) -> Result<LastBlock, TchError> {
        let get = |name: &str| {
            weights
                .get(name)
                .expect("the network has its tensors")
                .f_to_kind(Kind::Float)?
                .f_to_device(device)
        };
        let folded = |number: usize| -> Result<[Tensor; 2], TchError> {
            let norm = |part: &str| get(&format!("decoder1.norm{number}.{part}"));
            let scale = norm("weight")?.f_div(&norm("running_var")?.f_add_scalar(NORM_EPSILON)?.f_sqrt()?)?;
            let kernel =
                get(&format!("decoder1.conv{number}.weight"))?.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
            let bias = norm("bias")?.f_sub(&norm("running_mean")?.f_mul(&scale)?)?;
            Ok([kernel, bias])
        };
        Ok(LastBlock {
            up: [get("upconv1.weight")?, get("upconv1.bias")?],
            first: folded(1)?,
            second: folded(2)?,
            head: [get("head.weight")?, get("head.bias")?],
        })
    }

    /// Layers 17 and 18, from layers 16 and 2.
    fn layers(&self, below: &Tensor, skip: &Tensor) -> Result<[Tensor; 2], TchError> {
        let [none, one, two] = [[0i64, 0], [1, 1], [2, 2]];
        let up = below.f_conv_transpose2d(&self.up[0], Some(&self.up[1]), two, none, none, 1, one)?;
        let joined = Tensor::f_cat(&[&up, skip], 1)?;
        let first = joined
            .f_conv2d(&self.first[0], Some(&self.first[1]), one, one, one, 1)?
            .f_relu()?;
        let second = first
            .f_conv2d(&self.second[0], Some(&self.second[1]), one, one, one, 1)?
            .f_relu()?;
        Ok([first, second])
    }

    /// The network's mask, `[B, H, W]` of booleans.
    fn object(&self, below: &Tensor, skip: &Tensor) -> Result<Tensor, TchError> {
        let [_, last] = self.layers(below, skip)?;
        let logits = last.f_conv2d(&self.head[0], Some(&self.head[1]), [1, 1], [0, 0], [1, 1], 1)?;
        logits.f_select(1, 1)?.f_gt_tensor(&logits.f_select(1, 0)?)
    }

    /// Mean of each unit of layers 17 and 18 over the samples.
    fn means(&self, net: &InferenceNet, samples: &[Sample]) -> Result<[Tensor; 2], StudyError> {
        let mut sums: Option<[Tensor; 2]> = None;
        for sample in samples {
            let taps = net.forward(&pixels(&[sample], net.device())?, &[2, 16])?.taps;
            let layers = self.layers(&taps[&16], &taps[&2])?;
            let means =
                [0, 1].map(|layer| layers[layer].mean_dim([0i64, 2, 3].as_slice(), false, Kind::Float));
            sums = Some(match sums {
                None => means,
                Some([a, b]) => [a.f_add(&means[0])?, b.f_add(&means[1])?],
            });
        }
        let sums = sums.expect("a set has validation images");
        let count = samples.len() as f64;
        Ok([sums[0].f_div_scalar(count)?, sums[1].f_div_scalar(count)?])
    }

    /// The block with the kept units only; the mean contribution of the others is folded into the following biases.
    fn without(&self, kept: &[Vec<i64>; 2], means: &[Tensor; 2]) -> Result<LastBlock, TchError> {
        let device = self.head[0].device();
        let [first, second] = [0, 1].map(|layer| Tensor::from_slice(&kept[layer]).to_device(device));
        let gone = |layer: usize, index: &Tensor| -> Result<Tensor, TchError> {
            means[layer].f_index_fill(0, index, 0.0)
        };
        // A constant of the layer below adds its sum over the kernel, borders aside.
        let constant = self.second[0]
            .f_sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float)?
            .f_matmul(&gone(0, &first)?)?;
        let bias = self.second[1].f_add(&constant)?;
        let head_constant = self.head[0].f_flatten(1, -1)?.f_matmul(&gone(1, &second)?)?;
        Ok(LastBlock {
            up: [self.up[0].shallow_clone(), self.up[1].shallow_clone()],
            first: [
                self.first[0].f_index_select(0, &first)?,
                self.first[1].f_index_select(0, &first)?,
            ],
            second: [
                self.second[0]
                    .f_index_select(0, &second)?
                    .f_index_select(1, &first)?,
                bias.f_index_select(0, &second)?,
            ],
            head: [
                self.head[0].f_index_select(1, &second)?,
                self.head[1].f_add(&head_constant)?,
            ],
        })
    }
}
