//! The online loss and its written-out gradient against Algorithm 1 recorded by autograd: every feature map upsampled to the image,
//! distances to both prototypes, softmax. If these fail, networks are trained online by another loss than the paper's.

use proptest::prelude::*;
use protoseg::{OnlineTargets, online_loss};
use sagate_core::nn::gradient::add_to_gradient;
use tch::{Device, Kind, Tensor};

const EPSILON: f64 = 1e-6;

struct Case {
    taps: Vec<Tensor>,
    logits: Tensor,
    truth: Tensor,
    valid: Option<Tensor>,
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// Taps `[batch, 3 or 5, ...]` of the given sizes below an image of `size`, `classes` object classes.
fn case(seed: i64, batch: i64, classes: i64, size: [i64; 2], cells: &[[i64; 2]], padded: bool) -> Case {
    tch::manual_seed(seed);
    let [height, width] = size;
    let tap = |(index, [rows, columns]): (usize, &[i64; 2])| {
        let channels = if index % 2 == 0 { 3 } else { 5 };
        let tap = random(&[batch, *rows, *columns, channels])
            .permute([0, 3, 1, 2])
            .relu();
        // Half of them with their channels last in memory, as the network's are.
        if index % 2 == 0 { tap } else { tap.contiguous() }
    };
    let valid = padded.then(|| {
        let valid = Tensor::ones([batch, 1, height, width], (Kind::Float, Device::Cpu));
        let _ = valid.narrow(2, height - 3, 3).fill_(0.0);
        let _ = valid.narrow(3, width - 2, 2).fill_(0.0);
        valid
    });
    let labels = Tensor::randint(classes + 1, [batch, height, width], (Kind::Int64, Device::Cpu));
    let numbers = Tensor::arange_start(1, classes + 1, (Kind::Int64, Device::Cpu)).view([1, classes, 1, 1]);
    Case {
        taps: cells.iter().enumerate().map(tap).collect(),
        logits: random(&[batch, classes + 1, height, width]) * 2.0,
        truth: labels.unsqueeze(1).eq_tensor(&numbers),
        valid,
    }
}

/// Value, and gradients by the logits and the taps.
type Outcome = (f64, Vec<Tensor>);

fn probability(logits: &Tensor) -> Tensor {
    logits.softmax(1, Kind::Float).narrow(1, 1, logits.size()[1] - 1)
}

fn leaves(case: &Case) -> (Tensor, Vec<Tensor>) {
    let leaf = |tensor: &Tensor| tensor.detach().set_requires_grad(true);
    (leaf(&case.logits), case.taps.iter().map(leaf).collect())
}

fn ours(case: &Case, through_masks: bool) -> Outcome {
    let (logits, inputs) = leaves(case);
    // A hook sits on a tensor that is no leaf, as the network's taps are none.
    let taps: Vec<Tensor> = inputs.iter().map(|tap| tap * 1.0).collect();
    let probability = probability(&logits);
    let targets = OnlineTargets {
        probability: &probability,
        truth: &case.truth,
        valid: case.valid.as_ref(),
    };
    let loss = online_loss(&taps, targets, through_masks).unwrap();
    for (tap, gradient) in taps.iter().zip(&loss.taps) {
        add_to_gradient(tap, &gradient.positions, &gradient.channels).unwrap();
    }
    // Something else depends on each tap, as the network's output does.
    let mut root = taps
        .iter()
        .map(|tap| (tap * 0.01).sum(Kind::Float))
        .fold(logits.sum(Kind::Float) * 0.0, |sum, tap| sum + tap);
    if let Some(gradient) = &loss.probability {
        root += (&probability * gradient).sum(Kind::Float);
    }
    (loss.value.double_value(&[]), gradients(&root, &logits, &inputs))
}

fn recorded(case: &Case, through_masks: bool) -> Outcome {
    let (logits, taps) = leaves(case);
    let probability = probability(&logits);
    let mask = if through_masks {
        probability.shallow_clone()
    } else {
        probability.detach()
    };
    let classes = probability.size()[1];
    let valid = match &case.valid {
        Some(valid) => valid.shallow_clone(),
        None => Tensor::ones_like(&probability.narrow(1, 0, 1)),
    };
    let background = 1.0 - mask.sum_dim_intlist([1].as_slice(), true, Kind::Float);
    let weights = Tensor::cat(&[background, mask], 1) * &valid;
    let truth = case.truth.to_kind(Kind::Float) * &valid;
    let size = &probability.size()[2..];
    let sum = |x: Tensor| x.sum_dim_intlist([2, 3].as_slice(), false, Kind::Float);
    let of_tap = |tap: &Tensor| {
        let feature = tap.upsample_bilinear2d(size, false, None, None);
        let distances: Vec<Tensor> = (0..=classes)
            .map(|class| {
                let weight = weights.narrow(1, class, 1);
                let mass = sum(weight.shallow_clone()).clamp_min(EPSILON);
                let prototype = (sum(&feature * &weight) / mass).unsqueeze(-1).unsqueeze(-1);
                (&feature - prototype)
                    .square()
                    .sum_dim_intlist([1].as_slice(), true, Kind::Float)
            })
            .collect();
        let sam = (-Tensor::cat(&distances, 1))
            .softmax(1, Kind::Float)
            .narrow(1, 1, classes)
            * &valid;
        let both = sum(&sam * &truth);
        let either = sum(sam) + sum(truth.shallow_clone());
        1.0 - ((both * 2.0 + EPSILON) / (either + EPSILON)).mean(Kind::Float)
    };
    let losses: Vec<Tensor> = taps.iter().map(of_tap).collect();
    let loss = Tensor::stack(&losses, 0).mean(Kind::Float);
    let root = taps
        .iter()
        .map(|tap| (tap * 0.01).sum(Kind::Float))
        .fold(&loss + logits.sum(Kind::Float) * 0.0, |sum, tap| sum + tap);
    (loss.double_value(&[]), gradients(&root, &logits, &taps))
}

fn gradients(root: &Tensor, logits: &Tensor, taps: &[Tensor]) -> Vec<Tensor> {
    let inputs: Vec<&Tensor> = std::iter::once(logits).chain(taps).collect();
    Tensor::run_backward(&[root], &inputs, false, false)
}

fn assert_same(case: &Case, through_masks: bool) {
    let ((value, gradients), (expected, expected_gradients)) =
        (ours(case, through_masks), recorded(case, through_masks));
    assert!(
        (value - expected).abs() < 1e-5,
        "value {value}, recorded {expected}"
    );
    for (index, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
        let off = (gradient - expected).abs().max().double_value(&[]);
        let most = expected.abs().max().double_value(&[]);
        assert!(
            off <= 2e-4 * most + 1e-8,
            "gradient {index} (0: logits): off by {off}, the largest is {most}"
        );
    }
}

#[test]
fn one_class_at_every_resolution() {
    let case = case(
        1,
        3,
        1,
        [32, 32],
        &[[32, 32], [32, 32], [16, 16], [8, 8], [4, 4], [2, 2]],
        false,
    );
    assert_same(&case, true);
    assert_same(&case, false);
}

#[test]
fn several_classes_and_pixels_left_out() {
    let case = case(2, 2, 3, [48, 32], &[[48, 32], [24, 16], [24, 16], [3, 2]], true);
    assert_same(&case, true);
    assert_same(&case, false);
}

/// No object anywhere, in truth or output: the soft Dice's epsilon and the mass's hold.
#[test]
fn an_image_without_object() {
    let mut case = case(3, 2, 1, [16, 16], &[[16, 16], [8, 8]], false);
    case.truth = case.truth.zeros_like();
    assert_same(&case, true);
    let object = case.logits.narrow(1, 1, 1);
    let _ = object.shallow_clone().fill_(-60.0);
    let (value, gradients) = ours(&case, true);
    assert!(value.is_finite());
    assert!(
        gradients
            .iter()
            .all(|it| it.isfinite().all().int64_value(&[]) == 1)
    );
}

/// What is added does not fit the tensor: the backward pass says so and nothing dies.
#[test]
fn a_gradient_of_another_shape_fails_the_backward_pass() {
    let leaf = random(&[1, 2, 4, 4]).set_requires_grad(true);
    let x = &leaf * 1.0;
    add_to_gradient(&x, &random(&[1, 15, 3]), &random(&[1, 3, 2])).unwrap();
    assert!(Tensor::f_run_backward(&[x.sum(Kind::Float)], &[&leaf], false, false).is_err());
    assert!(add_to_gradient(&random(&[1, 2, 4, 4]), &random(&[1, 16, 3]), &random(&[1, 3, 2])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sizes(
        seed in 0i64..1000, batch in 1i64..3, classes in 1i64..4, rows in 3i64..20, columns in 3i64..20, halvings in 0u32..3,
        padded: bool, through_masks: bool,
    ) {
        let cells = [rows, columns].map(|side| (side >> halvings).max(1));
        let case = case(seed, batch, classes, [rows + 3, columns + 3], &[[rows + 3, columns + 3], cells], padded);
        assert_same(&case, through_masks);
    }
}
