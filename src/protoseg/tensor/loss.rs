//! The loss of online ProtoSeg (section 4.2): every feature map is asked to segment the object.

use tch::{Kind, Tensor};

use crate::protoseg::interpolation::{axes, pull_down, upsample};

/// Keeps the soft Dice of an image without object defined; far below one pixel.
const EPSILON: f64 = 1e-6;

/// `(1/N) sum_l (1 - softDice(P_l, G))` over the feature maps, a scalar with gradient.
///
/// `P_l` is the probability map of layer `l`'s SAM at the image's resolution with soft prototype masks, the network's own
/// probabilities (Algorithm 1), and `softDice(P, G) = 2 sum P G / (sum P + sum G)` a class and image, averaged.
///
/// * `taps`: `[B, C_l, *s_l]` each, floating point.
/// * `probability`: `[B, K, *S]`, the network's probability of each object class.
/// * `truth`: `[B, K, *S]`, 0 or 1.
/// * `valid`: `[B, 1, *S]`, 0 where a pixel is to be left out.
/// * `detach_prototypes`: cuts the gradient through the prototypes' mask.
///
/// # Panics
/// As tch's own operators do where shapes do not fit: the trainer makes these tensors, not a caller's input.
pub fn online_loss(
    taps: &[Tensor],
    probability: &Tensor,
    truth: &Tensor,
    valid: Option<&Tensor>,
    detach_prototypes: bool,
) -> Tensor {
    let mask = if detach_prototypes {
        probability.detach()
    } else {
        probability.shallow_clone()
    };
    let background = 1.0 - mask.sum_dim_intlist([1].as_slice(), true, None);
    let kept = |tensor: Tensor| match valid {
        Some(valid) => tensor * valid.to_kind(probability.kind()),
        None => tensor,
    };
    let weights = kept(Tensor::cat(&[background, mask], 1));
    let truth = kept(truth.to_kind(probability.kind()));
    let losses: Vec<Tensor> = taps
        .iter()
        .map(|tap| 1.0 - soft_dice(&sam(tap, &weights), &truth, valid))
        .collect();
    Tensor::stack(&losses, 0).mean(None)
}

/// The probability map `[B, K, *S]` of a feature's SAM, with prototypes by the weights `[B, K + 1, *S]`.
fn sam(feature: &Tensor, weights: &Tensor) -> Tensor {
    let (cells, pixels) = (&feature.size()[2..], &weights.size()[2..]);
    let (batch, channels) = (feature.size()[0], feature.size()[1]);
    let classes = weights.size()[1] - 1;
    let axes = axes(cells, pixels);
    let pulled = pull_down(weights, &axes).reshape([batch, classes + 1, -1]);
    let flat = feature.reshape([batch, channels, -1]);
    let mass = pulled
        .sum_dim_intlist([2].as_slice(), true, None)
        .clamp_min(EPSILON);
    let prototypes = pulled.matmul(&flat.transpose(1, 2)) / mass;
    let background = prototypes.narrow(1, 0, 1);
    let objects = prototypes.narrow(1, 1, classes);
    let direction = (&objects - &background) * 2.0;
    let middle = (&objects + &background) * 0.5;
    let bias = (&direction * middle).sum_dim_intlist([2].as_slice(), true, None);
    let score = direction.matmul(&flat) - bias;
    let shape: Vec<i64> = [batch, classes].iter().chain(cells).copied().collect();
    let score = upsample(&score.reshape(shape), &axes);
    if classes == 1 {
        score.sigmoid()
    } else {
        let zero = score.narrow(1, 0, 1).zeros_like();
        Tensor::cat(&[zero, score], 1)
            .softmax(1, Kind::Float)
            .narrow(1, 1, classes)
    }
}

/// Mean over images and classes of the soft Dice between `[B, K, *S]` maps.
fn soft_dice(probability: &Tensor, truth: &Tensor, valid: Option<&Tensor>) -> Tensor {
    let probability = match valid {
        Some(valid) => probability * valid.to_kind(probability.kind()),
        None => probability.shallow_clone(),
    };
    let sum = |x: Tensor| x.flatten(2, -1).sum_dim_intlist([2].as_slice(), false, None);
    let both = sum(&probability * truth);
    let either = sum(probability) + sum(truth.shallow_clone());
    ((both * 2.0 + EPSILON) / (either + EPSILON)).mean(None)
}
