//! The loss of online ProtoSeg (section 4.2) with its gradient: every feature map is trained to segment the object.
//!
//! The gradient is computed analytically, not recorded by autograd. With the prototypes' weights downsampled to a layer's positions (`w`, mass `m`), a
//! SAM's score is `s_k = a_k . f - b_k` with `a_k = 2 (c_k - c_0)` and `b_k = |c_k|^2 - |c_0|^2`, brought to the image's pixels by the
//! interpolation `U`. Backwards, `ds = U^T dz` reaches the positions, and from there
//!
//! ```text
//! dc_k = 2 sum ds_k f - 2 c_k sum ds_k         dc_0 = -sum_k (2 sum ds_k f - 2 c_0 sum ds_k)
//! df   = sum_k a_k ds_k + sum_j dc_j w_j / m_j                                    (rank 2 K + 1)
//! dw_j = (dc_j . f - dc_j . c_j) / m_j
//! ```
//!
//! so that the only tensor of a feature map's size is the gradient itself, and it is computed only when the backward pass arrives there
//! ([`TapGradient`]). Only scores, with one channel for each class, are upsampled.

use tch::{Kind, TchError, Tensor};

use super::interpolation::{Axis, axes, upsample, upsample_adjoint};

/// Smoothing constant that keeps the soft Dice of an image without object defined; far below one pixel.
const EPSILON: f64 = 1e-6;

/// The targets of the online loss, `[B, K, *S]` each but for `valid`.
#[derive(Debug, Clone, Copy)]
pub struct OnlineTargets<'a> {
    /// The network's probability of each object class: the soft prototype masks (Algorithm 1).
    pub probability: &'a Tensor,
    /// 0 or 1: the ground truth.
    pub truth: &'a Tensor,
    /// `[B, 1, *S]`: 0 where a pixel is ignored, 1 elsewhere.
    pub valid: Option<&'a Tensor>,
}

/// The online loss of a batch.
#[derive(Debug)]
pub struct OnlineLoss {
    /// `(1/N) sum_l (1 - softDice(P_l, G))`, a scalar without gradient.
    pub value: Tensor,
    /// Its gradient by each tap.
    pub taps: Vec<TapGradient>,
    /// Its gradient by the probability through the prototypes' masks, `[B, K, *S]`; `None` where it is not propagated.
    pub probability: Option<Tensor>,
}

/// A gradient by a feature map `[B, C, *s]` as a low-rank product.
#[derive(Debug)]
pub struct TapGradient {
    /// `[B, positions, 2 K + 1]`, positions row by row.
    pub positions: Tensor,
    /// `[B, 2 K + 1, C]`.
    pub channels: Tensor,
}

/// The loss `(1/N) sum_l (1 - softDice(P_l, G))` over the feature maps and its gradient.
///
/// `P_l` is the probability map of layer `l`'s SAM at the image's resolution with soft prototype masks, and
/// `softDice(P, G) = 2 sum P G / (sum P + sum G)` a class and image, averaged. `taps` are `[B, C_l, *s_l]` float32, fastest with their
/// channels last in memory. `through_masks` also gives the gradient that reaches the network's probability as the prototypes' mask.
///
/// # Errors
/// When shapes do not fit, or libtorch fails.
pub fn online_loss(
    taps: &[Tensor],
    targets: OnlineTargets<'_>,
    through_masks: bool,
) -> Result<OnlineLoss, TchError> {
    let _no_grad = tch::no_grad_guard();
    let masks = Masks::new(targets)?;
    let mut levels: Vec<Level> = Vec::new();
    let mut losses = Vec::with_capacity(taps.len());
    let mut gradients = Vec::with_capacity(taps.len());
    let share = 1.0 / taps.len() as f64;
    for tap in taps {
        let positions = tap.size()[2..].to_vec();
        let level = match levels.iter().position(|level| level.positions == positions) {
            Some(known) => &mut levels[known],
            None => {
                levels.push(Level::new(positions, &masks)?);
                levels.last_mut().expect("one was just pushed")
            }
        };
        let (loss, gradient) = tap_loss(tap, level, &masks, share, through_masks)?;
        losses.push(loss);
        gradients.push(gradient);
    }
    let probability = match through_masks {
        true => Some(masks.gradient(&levels)?),
        false => None,
    };
    Ok(OnlineLoss {
        value: Tensor::f_stack(&losses, 0)?.f_mean(None)?,
        taps: gradients,
        probability,
    })
}

/// The targets of all layers at the image's resolution.
struct Masks<'a> {
    /// `[B, K + 1, *S]`: the background's weight first.
    weights: Tensor,
    /// `[B, K, *S]`, 0 where a pixel is left out.
    truth: Tensor,
    /// `[B, K]`: sums of the truth.
    truth_size: Tensor,
    valid: Option<&'a Tensor>,
}

impl<'a> Masks<'a> {
    fn new(targets: OnlineTargets<'a>) -> Result<Masks<'a>, TchError> {
        let OnlineTargets {
            probability,
            truth,
            valid,
        } = targets;
        let kind = probability.kind();
        let background = probability
            .f_sum_dim_intlist([1].as_slice(), true, kind)?
            .f_neg()?
            .f_add_scalar(1.0)?;
        let weights = masked(Tensor::f_cat(&[&background, probability], 1)?, valid)?;
        let truth = masked(truth.f_to_kind(kind)?, valid)?;
        Ok(Masks {
            weights,
            truth_size: pixel_sums(&truth)?,
            truth,
            valid,
        })
    }

    /// From the gradients by the weights at every level to the gradient by the probability.
    fn gradient(&self, levels: &[Level]) -> Result<Tensor, TchError> {
        let mut total = self.weights.f_zeros_like()?;
        for level in levels {
            let shape = [&self.weights.size()[..2], &level.positions].concat();
            let at_positions = level.gradient.f_transpose(1, 2)?.f_reshape(&shape)?;
            total = total.f_add(&upsample(&at_positions, &level.axes))?;
        }
        let total = masked(total, self.valid)?;
        let classes = total.size()[1] - 1;
        total.f_narrow(1, 1, classes)?.f_sub(&total.f_narrow(1, 0, 1)?)
    }
}

/// Data shared by the taps of one resolution.
struct Level {
    /// `*s`.
    positions: Vec<i64>,
    /// From the positions to the pixels.
    axes: Vec<Axis>,
    /// `[B, positions, K + 1]`: the weights, downsampled.
    weights: Tensor,
    /// `[B, K + 1, 1]`: their sums.
    mass: Tensor,
    /// `[B, positions, K + 1]`: the gradient by the weights so far.
    gradient: Tensor,
}

impl Level {
    fn new(positions: Vec<i64>, masks: &Masks<'_>) -> Result<Level, TchError> {
        let axes = axes(&positions, &masks.weights.size()[2..]);
        let weights = upsample_adjoint(&masks.weights, &axes)
            .f_flatten(2, -1)?
            .f_transpose(1, 2)?
            .f_contiguous()?;
        let mass = weights
            .f_sum_dim_intlist([1].as_slice(), false, weights.kind())?
            .f_unsqueeze(2)?;
        Ok(Level {
            gradient: weights.f_zeros_like()?,
            positions,
            axes,
            weights,
            mass,
        })
    }
}

/// One layer's `1 - softDice` and the gradient of `share` times it.
fn tap_loss(
    tap: &Tensor,
    level: &mut Level,
    masks: &Masks<'_>,
    share: f64,
    through_masks: bool,
) -> Result<(Tensor, TapGradient), TchError> {
    let (batch, channels) = (tap.size()[0], tap.size()[1]);
    let classes = masks.truth.size()[1];
    // `[B, positions, C]`, without a copy where the channels lie last in memory.
    let order: Vec<i64> = [0].into_iter().chain(2..tap.dim() as i64).chain([1]).collect();
    let feature = tap
        .f_detach()?
        .f_permute(&order)?
        .f_reshape([batch, -1, channels])?;

    let mass = level.mass.f_clamp_min(EPSILON)?;
    let prototypes = level
        .weights
        .f_transpose(1, 2)?
        .f_matmul(&feature)?
        .f_div(&mass)?;
    let (background, objects) = (prototypes.f_narrow(1, 0, 1)?, prototypes.f_narrow(1, 1, classes)?);
    let direction = objects.f_sub(&background)?.f_mul_scalar(2.0)?;
    let middle = objects.f_add(&background)?.f_mul_scalar(0.5)?;
    let bias = channel_dots(&direction, &middle)?;
    let score = direction.f_matmul(&feature.f_transpose(1, 2)?)?.f_sub(&bias)?;
    let shape = [&[batch, classes], level.positions.as_slice()].concat();
    let score = upsample(&score.f_reshape(&shape)?, &level.axes);

    let sam = probability(&score)?;
    let kept_sam = masked(sam.shallow_clone(), masks.valid)?;
    let both = pixel_sums(&kept_sam.f_mul(&masks.truth)?)?
        .f_mul_scalar(2.0)?
        .f_add_scalar(EPSILON)?;
    let either = pixel_sums(&kept_sam)?
        .f_add(&masks.truth_size)?
        .f_add_scalar(EPSILON)?;
    let dice = both.f_div(&either)?;
    let loss = dice.f_mean(None)?.f_neg()?.f_add_scalar(1.0)?;

    // By P: -(2 G either - both) / either^2, of the mean over images and classes.
    let scale = share / (batch * classes) as f64;
    let each = [vec![batch, classes], vec![1; level.positions.len()]].concat();
    let per_class = |values: Tensor| values.f_view(each.as_slice());
    let of_truth = per_class(either.f_reciprocal()?.f_mul_scalar(-2.0 * scale)?)?;
    let of_all = per_class(dice.f_div(&either)?.f_mul_scalar(scale)?)?;
    let by_sam = masked(masks.truth.f_mul(&of_truth)?.f_add(&of_all)?, masks.valid)?;
    let expected = by_sam
        .f_mul(&sam)?
        .f_sum_dim_intlist([1].as_slice(), true, sam.kind())?;
    let by_score = sam.f_mul(&by_sam.f_sub(&expected)?)?;
    let by_score = upsample_adjoint(&by_score, &level.axes).f_flatten(2, -1)?;

    let moved = by_score.f_matmul(&feature)?.f_mul_scalar(2.0)?;
    let amount = by_score
        .f_sum_dim_intlist([2].as_slice(), true, by_score.kind())?
        .f_mul_scalar(2.0)?;
    let by_objects = moved.f_sub(&objects.f_mul(&amount)?)?;
    let by_background =
        background
            .f_mul(&amount)?
            .f_sub(&moved)?
            .f_sum_dim_intlist([1].as_slice(), true, moved.kind())?;
    let by_prototypes = Tensor::f_cat(&[by_background, by_objects], 1)?.f_div(&mass)?;
    if through_masks {
        // A mass that was clamped to EPSILON does not depend on the weights.
        let free = level.mass.f_gt(EPSILON)?;
        let own = channel_dots(&by_prototypes, &prototypes)?.f_mul(&free)?;
        let by_weights = feature.f_matmul(&by_prototypes.f_transpose(1, 2)?)?;
        level.gradient = level
            .gradient
            .f_add(&by_weights.f_sub(&own.f_transpose(1, 2)?)?)?;
    }
    let gradient = TapGradient {
        positions: Tensor::f_cat(&[&by_score.f_transpose(1, 2)?, &level.weights], 2)?,
        channels: Tensor::f_cat(&[direction, by_prototypes], 1)?,
    };
    Ok((loss, gradient))
}

/// The probability of each object class from its score `[B, K, *S]` over the background's, which is 0.
fn probability(score: &Tensor) -> Result<Tensor, TchError> {
    if score.size()[1] == 1 {
        return score.f_sigmoid();
    }
    let zero = score.f_narrow(1, 0, 1)?.f_zeros_like()?;
    Tensor::f_cat(&[&zero, score], 1)?
        .f_softmax(1, score.kind())?
        .f_narrow(1, 1, score.size()[1])
}

/// Sets ignored pixels to 0.
fn masked(map: Tensor, valid: Option<&Tensor>) -> Result<Tensor, TchError> {
    match valid {
        Some(valid) => map.f_mul(&valid.f_to_kind(map.kind())?),
        None => Ok(map),
    }
}

/// `[B, K]` from `[B, K, *S]`.
fn pixel_sums(map: &Tensor) -> Result<Tensor, TchError> {
    map.f_flatten(2, -1)?
        .f_sum_dim_intlist([2].as_slice(), false, Kind::Float)
}

/// `[B, n, 1]` from two `[B, n, C]`.
fn channel_dots(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    a.f_mul(b)?.f_sum_dim_intlist([2].as_slice(), true, a.kind())
}
