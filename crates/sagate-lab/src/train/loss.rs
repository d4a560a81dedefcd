//! The two losses of section 4.2.

use protoseg::{OnlineTargets, online_loss};
use sagate_core::nn::gradient::add_to_gradient;
use sagate_core::nn::unet::Forward;
use tch::{Kind, Reduction, TchError, Tensor};

use super::batch::{LEFT_OUT, Tensors};
use super::recipe::{Loss, Recipe};

/// A batch's loss with its parts.
#[derive(Debug)]
pub(super) struct Losses {
    /// A scalar whose gradient is that of [`Losses::total`]; its value is not.
    pub root: Tensor,
    /// The minimised loss.
    pub total: f64,
    /// The cross-entropy alone.
    pub cross_entropy: f64,
    /// The mean of `1 - softDice` over the 18 feature maps, before `lambda`; 0 for the offline loss.
    pub online: f64,
}

/// The cross-entropy of the output, mean over the pixels that come from an image.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, LEFT_OUT, 0.0)
}

/// `L = CE(output, G)`, offline, or `L = CE(output, G) + lambda * (1/N) sum_l (1 - softDice(P_l, G))`, online.
pub(super) fn losses(recipe: &Recipe, forward: &Forward, batch: &Tensors) -> Result<Losses, TchError> {
    let root = cross_entropy(&forward.logits, &batch.labels)?;
    let cross_entropy = root.f_double_value(&[])?;
    if recipe.loss == Loss::Offline {
        return Ok(Losses {
            root,
            total: cross_entropy,
            cross_entropy,
            online: 0.0,
        });
    }
    let classes = forward.logits.size4()?.1 - 1;
    let probability = forward
        .logits
        .f_softmax(1, Kind::Float)?
        .f_narrow(1, 1, classes)?;
    // A pixel that is left out has no class; the validity mask takes it out of the sums.
    let numbers = Tensor::f_arange_start(1, classes + 1, (Kind::Int64, batch.labels.device()))?;
    let truth = batch
        .labels
        .f_unsqueeze(1)?
        .f_eq_tensor(&numbers.f_view([1, classes, 1, 1])?)?;
    let targets = OnlineTargets {
        probability: &probability,
        truth: &truth,
        valid: batch.valid.as_ref(),
    };
    let loss = online_loss(&forward.taps, targets, !recipe.detach_prototypes)?;
    for (tap, gradient) in forward.taps.iter().zip(&loss.taps) {
        add_to_gradient(
            tap,
            &gradient.positions,
            &gradient.channels.f_mul_scalar(recipe.lambda)?,
        )?;
    }
    let root = match &loss.probability {
        Some(gradient) => {
            let through_masks = probability.f_mul(gradient)?.f_sum(Kind::Float)?;
            root.f_add(&through_masks.f_mul_scalar(recipe.lambda)?)?
        }
        None => root,
    };
    let online = loss.value.f_double_value(&[])?;
    Ok(Losses {
        root,
        total: cross_entropy + recipe.lambda * online,
        cross_entropy,
        online,
    })
}
