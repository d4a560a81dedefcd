//! The two losses of section 4.2.

use tch::{Kind, Reduction, TchError, Tensor};

use super::batch::{LEFT_OUT, Tensors};
use super::recipe::{Loss, Recipe};
use crate::nn::unet::Forward;
use crate::protoseg::online_loss;

/// A batch's loss with its parts.
#[derive(Debug)]
pub(super) struct Losses {
    /// What is minimised, a scalar with gradient.
    pub total: Tensor,
    /// The cross-entropy alone.
    pub cross_entropy: Tensor,
    /// The mean of `1 - softDice` over the 18 feature maps, before `lambda`; None for the offline loss.
    pub online: Option<Tensor>,
}

/// The cross-entropy of the output, mean over the pixels that come from an image.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, LEFT_OUT, 0.0)
}

/// `L = CE(output, G)`, offline, or `L = CE(output, G) + lambda * (1/N) sum_l (1 - softDice(P_l, G))`, online.
pub(super) fn losses(recipe: &Recipe, forward: &Forward, batch: &Tensors) -> Result<Losses, TchError> {
    let cross_entropy = cross_entropy(&forward.logits, &batch.labels)?;
    if recipe.loss == Loss::Offline {
        return Ok(Losses {
            total: cross_entropy.shallow_clone(),
            cross_entropy,
            online: None,
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
    let truth = truth.f_to_kind(Kind::Float)?;
    let online = online_loss(
        &forward.taps,
        &probability,
        &truth,
        batch.valid.as_ref(),
        recipe.detach_prototypes,
    );
    let total = cross_entropy.f_add(&online.f_mul_scalar(recipe.lambda)?)?;
    Ok(Losses {
        total,
        cross_entropy,
        online: Some(online),
    })
}
