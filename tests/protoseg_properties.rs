//! What must hold of every feature map, whatever network it came from; and a plain rendering of Algorithm 1 that both
//! backends must agree with.
//!
//! Features here are small multiples of 1/8 and, where equal must mean equal, are brought to the image's size by a factor of 1 or 2,
//! whose weights are quarters: sums, shifts, scalings and interpolations are then exact.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use protoseg::{
    BackendKind, Confusion, Fault, LayerSam, MaskKind, Metric, Prediction, ProtoSeg, mean_sa, split_units,
};
use tch::{Kind, Tensor};

const BACKENDS: [BackendKind; 2] = [BackendKind::Native, BackendKind::Tensor];

#[derive(Debug, Clone)]
struct Case {
    batch: usize,
    classes: usize,
    channels: usize,
    cells: Vec<usize>,
    factor: usize,
    features: Vec<i8>,
    labels: Vec<u8>,
    valid: Option<Vec<u8>>,
    channels_last: bool,
}

impl Case {
    fn pixels(&self) -> Vec<usize> {
        self.cells.iter().map(|side| side * self.factor).collect()
    }

    fn feature(&self) -> Tensor {
        let values: Vec<f32> = self
            .features
            .iter()
            .map(|&value| f32::from(value) / 8.0)
            .collect();
        let shape = shape(&[self.batch, self.channels], &self.cells);
        let feature = Tensor::from_slice(&values).view(shape.as_slice());
        if self.channels_last {
            channels_last(&feature)
        } else {
            feature
        }
    }

    /// Probabilities of 0.9 for a pixel's class and little for the others.
    fn probability(&self) -> Tensor {
        let count: usize = self.pixels().iter().product();
        let mut values = vec![0.0625f32 / self.classes as f32; self.batch * self.classes * count];
        for (pixel, &label) in self.labels.iter().enumerate() {
            let (image, place) = (pixel / count, pixel % count);
            if label > 0 {
                values[(image * self.classes + label as usize - 1) * count + place] = 0.875;
            }
        }
        Tensor::from_slice(&values).view(shape(&[self.batch, self.classes], &self.pixels()).as_slice())
    }

    fn validity(&self) -> Option<Tensor> {
        let valid = self.valid.as_ref()?;
        Some(Tensor::from_slice(valid).view(shape(&[self.batch, 1], &self.pixels()).as_slice()))
    }

    fn reference(&self) -> Prediction {
        Prediction::new(&self.probability(), self.validity().as_ref(), MaskKind::Hard).unwrap()
    }
}

fn shape(outer: &[usize], inner: &[usize]) -> Vec<i64> {
    outer.iter().chain(inner).map(|&side| side as i64).collect()
}

fn channels_last(feature: &Tensor) -> Tensor {
    let dimensions = feature.dim() as i64;
    let to: Vec<i64> = std::iter::once(0).chain(2..dimensions).chain([1]).collect();
    let back: Vec<i64> = [0, dimensions - 1].into_iter().chain(1..dimensions - 1).collect();
    feature.permute(&to).contiguous().permute(&back)
}

prop_compose! {
    fn cases(max_factor: usize, max_classes: usize)(
        batch in 1usize..3,
        classes in 1..=max_classes,
        channels in prop::sample::select(vec![1usize, 3, 8, 17, 40]),
        cells in prop::collection::vec(2usize..7, 1..4),
        factor in 1..=max_factor,
        with_validity in any::<bool>(),
        channels_last in any::<bool>(),
    )(
        features in prop::collection::vec(-40i8..40, batch * channels * cells.iter().product::<usize>()),
        labels in prop::collection::vec(
            0..=classes as u8,
            batch * cells.iter().map(|side| side * factor).product::<usize>(),
        ),
        valid in prop::collection::vec(
            prop::sample::select(vec![0u8, 1, 1, 1]),
            batch * cells.iter().map(|side| side * factor).product::<usize>(),
        ),
        batch in Just(batch), classes in Just(classes), channels in Just(channels), cells in Just(cells),
        factor in Just(factor), with_validity in Just(with_validity), channels_last in Just(channels_last),
    ) -> Case {
        let valid = with_validity.then_some(valid);
        Case { batch, classes, channels, cells, factor, features, labels, valid, channels_last }
    }
}

fn method(backend: BackendKind) -> ProtoSeg {
    ProtoSeg {
        backend,
        ..ProtoSeg::default()
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().flatten(0, -1)).unwrap()
}

/// Algorithm 1 for one image and some channels as it is written: features brought to the image's size, prototypes, squared distances, argmin.
/// Gives the nearest class of each pixel and, where two are within `1e-9` of each other or no pixel is valid, that it is undecided.
fn algorithm_1(case: &Case, image: usize, channels: std::ops::Range<usize>) -> Vec<Option<u8>> {
    let feature = case
        .feature()
        .contiguous()
        .get(image as i64)
        .unsqueeze(0)
        .to_kind(Kind::Double);
    let size: Vec<i64> = case.pixels().iter().map(|&side| side as i64).collect();
    let feature = match size.len() {
        1 => feature.upsample_linear1d(size.as_slice(), false, None),
        2 => feature.upsample_bilinear2d(size.as_slice(), false, None, None),
        _ => feature.upsample_trilinear3d(size.as_slice(), false, None, None, None),
    };
    let count: usize = case.pixels().iter().product();
    let features = values(&feature);
    let labels = &case.labels[image * count..(image + 1) * count];
    let valid = |pixel: usize| {
        case.valid
            .as_ref()
            .is_none_or(|valid| valid[image * count + pixel] == 1)
    };
    let prototype = |class: u8| -> Option<Vec<f64>> {
        let members: Vec<usize> = (0..count)
            .filter(|&pixel| labels[pixel] == class && valid(pixel))
            .collect();
        let mean = |channel: usize| {
            members
                .iter()
                .map(|&pixel| features[channel * count + pixel])
                .sum::<f64>()
                / members.len() as f64
        };
        (!members.is_empty()).then(|| channels.clone().map(mean).collect())
    };
    let prototypes: Vec<Option<Vec<f64>>> = (0..=case.classes as u8).map(prototype).collect();
    (0..count)
        .map(|pixel| {
            let distance = |prototype: &Vec<f64>| -> f64 {
                let values = channels.clone().map(|channel| features[channel * count + pixel]);
                prototype
                    .iter()
                    .zip(values)
                    .map(|(c, value)| (value - c).powi(2))
                    .sum()
            };
            let mut distances: Vec<(f64, u8)> = prototypes
                .iter()
                .enumerate()
                .filter_map(|(class, prototype)| Some((distance(prototype.as_ref()?), class as u8)))
                .collect();
            distances.sort_by(|a, b| a.0.total_cmp(&b.0));
            let &(nearest, class) = distances.first()?;
            let tied = distances
                .get(1)
                .is_some_and(|next| (nearest - next.0).abs() < 1e-9);
            (!tied).then_some(class)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A wrong fact (affine form, adjoint, validity, several classes, layout) shows as a pixel of another class.
    #[test]
    fn sams_are_those_of_algorithm_1(case in cases(3, 3)) {
        let reference = case.reference();
        let count: usize = case.pixels().iter().product();
        for backend in BACKENDS {
            let layer = method(backend).layer(&case.feature(), &reference).unwrap();
            let sam = values(&layer.sam);
            for image in 0..case.batch {
                if layer.fault[image].is_some() {
                    prop_assert_eq!(layer.score[image], 0.0);
                    continue;
                }
                for (pixel, expected) in algorithm_1(&case, image, 0..case.channels).into_iter().enumerate() {
                    if let Some(expected) = expected {
                        prop_assert_eq!(sam[image * count + pixel] as u8, expected, "{:?} pixel {}", backend, pixel);
                    }
                }
            }
        }
    }

    /// Both backends are one method.
    #[test]
    fn backends_agree_on_unit_scores(case in cases(2, 3)) {
        let reference = case.reference();
        let native = method(BackendKind::Native).units(&case.feature(), &reference).unwrap();
        let tensor = method(BackendKind::Tensor).units(&case.feature(), &reference).unwrap();
        prop_assert_eq!(&native.fault, &tensor.fault);
        for (native, tensor) in native.scores.iter().zip(&tensor.scores) {
            prop_assert!((native - tensor).abs() < 1e-12, "{} {}", native, tensor);
        }
    }

    /// The short way that mu takes, without maps, must not tell another score than the SAM that is shown.
    #[test]
    fn scores_without_maps_are_those_of_the_maps(case in cases(3, 3)) {
        let reference = case.reference();
        for backend in BACKENDS {
            let (units, scores, _) = method(backend).units_and_score(&case.feature(), &reference).unwrap();
            prop_assert_eq!(&scores, &method(backend).layer(&case.feature(), &reference).unwrap().score);
            prop_assert_eq!(&units, &method(backend).units(&case.feature(), &reference).unwrap());
        }
    }

    /// Whichever thread does a layer, whether its prototypes are known or not and whatever is done beside it: the same SAM. And nothing
    /// more is begun once nobody wants it.
    #[test]
    fn layers_together_are_those_alone(case in cases(3, 3)) {
        let reference = case.reference();
        let feature = case.feature();
        let negative = -case.feature();
        for backend in BACKENDS {
            let method = method(backend);
            let (_, _, known) = method.units_and_score(&feature, &reference).unwrap();
            let features = [(&feature, None), (&negative, None), (&feature, Some(&known)), (&negative, None)];
            let seen = Mutex::new(BTreeMap::new());
            let keep = |place, sam: LayerSam| seen.lock().unwrap().insert(place, sam).is_none();
            method.layers(&features, &reference, &keep).unwrap();
            let seen = seen.into_inner().unwrap();
            prop_assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
            for (place, sam) in seen {
                let alone = method.layer(features[place].0, &reference).unwrap();
                prop_assert_eq!(&sam.score, &alone.score, "{:?} layer {}", backend, place);
                prop_assert!(sam.sam == alone.sam && sam.probability == alone.probability, "{:?} layer {}", backend, place);
                prop_assert_eq!(&sam.fault, &alone.fault);
            }
            let many = vec![(&feature, None); 64];
            let begun = AtomicUsize::new(0);
            method.layers(&many, &reference, &|_, _| begun.fetch_add(1, Ordering::SeqCst) > 100).unwrap();
            prop_assert!(begun.into_inner() <= tch::get_num_threads().max(1) as usize);
        }
    }

    /// A unit's SAM is a threshold at a midpoint: its scale, sign and offset say nothing (but where a
    /// pixel lies on the midpoint, which rounding then puts on either side).
    #[test]
    fn scaling_and_shifting_a_unit_changes_no_unit_sam(
        case in cases(2, 1),
        scale in prop::sample::select(vec![-4.0f64, -0.5, 0.25, 2.0]),
        shift in -16i32..16,
    ) {
        let reference = case.reference();
        let moved = case.feature() * scale + f64::from(shift);
        for backend in BACKENDS {
            let before = method(backend).units(&case.feature(), &reference).unwrap();
            let after = method(backend).units(&moved, &reference).unwrap();
            for image in 0..case.batch {
                for unit in 0..case.channels {
                    let tied = algorithm_1(&case, image, unit..unit + 1).contains(&None);
                    prop_assert!(tied || before.image(image)[unit] == after.image(image)[unit]);
                }
            }
        }
    }

    #[test]
    fn permuting_units_permutes_scores(case in cases(2, 2)) {
        let reference = case.reference();
        for backend in BACKENDS {
            let before = method(backend).units(&case.feature(), &reference).unwrap();
            let after = method(backend).units(&case.feature().flip([1]), &reference).unwrap();
            for image in 0..case.batch {
                let mut reversed = after.image(image).to_vec();
                reversed.reverse();
                prop_assert_eq!(before.image(image), &reversed[..]);
            }
        }
    }

    #[test]
    fn flipping_the_image_changes_no_score(case in cases(2, 2)) {
        for backend in BACKENDS {
            let flip = |x: &Tensor| x.flip([2]);
            let valid = case.validity().map(|valid| flip(&valid));
            let reference = Prediction::new(&flip(&case.probability()), valid.as_ref(), MaskKind::Hard).unwrap();
            let before = method(backend).units(&case.feature(), &case.reference()).unwrap();
            let after = method(backend).units(&flip(&case.feature()), &reference).unwrap();
            for (before, after) in before.scores.iter().zip(&after.scores) {
                prop_assert!((before - after).abs() < 1e-12);
            }
        }
    }

    /// An image's scores are the same bits alone and among strangers.
    #[test]
    fn batching_with_strangers_changes_nothing(case in cases(2, 2)) {
        for backend in BACKENDS {
            let together = method(backend).units(&case.feature(), &case.reference()).unwrap();
            let maps = method(backend).layer(&case.feature(), &case.reference()).unwrap();
            for image in 0..case.batch as i64 {
                let alone = |x: &Tensor| x.narrow(0, image, 1);
                let valid = case.validity().map(|valid| alone(&valid));
                let reference = Prediction::new(&alone(&case.probability()), valid.as_ref(), MaskKind::Hard).unwrap();
                let units = method(backend).units(&alone(&case.feature()), &reference).unwrap();
                prop_assert_eq!(together.image(image as usize), units.image(0));
                let map = method(backend).layer(&alone(&case.feature()), &reference).unwrap();
                prop_assert_eq!(values(&alone(&maps.sam)), values(&map.sam));
                prop_assert_eq!(maps.score[image as usize], map.score[0]);
            }
        }
    }

    /// With object and background swapped, every pixel changes sides, ties aside.
    #[test]
    fn swapping_object_and_background_complements_the_sam(case in cases(2, 1)) {
        let swapped = Prediction::new(&(1.0 - case.probability()), case.validity().as_ref(), MaskKind::Hard).unwrap();
        for backend in BACKENDS {
            let there = method(backend).layer(&case.feature(), &case.reference()).unwrap();
            let back = method(backend).layer(&case.feature(), &swapped).unwrap();
            for image in 0..case.batch as i64 {
                if there.fault[image as usize].is_some() {
                    continue;
                }
                let probability = values(&there.probability.get(image));
                let pairs = values(&there.sam.get(image)).into_iter().zip(values(&back.sam.get(image)));
                for (p, (sam, other)) in probability.into_iter().zip(pairs) {
                    if (p - 0.5).abs() > 1e-6 {
                        prop_assert_eq!(sam + other, 1.0);
                    }
                }
            }
        }
    }

    /// One value that is not finite gives that image a fault and the score 0, and leaves its company alone.
    #[test]
    fn what_is_not_finite_gets_a_fault_and_no_number(
        case in cases(2, 2),
        poison in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
        place in any::<prop::sample::Index>(),
    ) {
        let feature = case.feature().contiguous();
        let index = place.index(feature.numel());
        let _ = feature.view([-1]).get(index as i64).fill_(poison);
        let image = index / (feature.numel() / case.batch);
        let feature = if case.channels_last { channels_last(&feature) } else { feature };
        let reference = case.reference();
        let clean = method(BackendKind::Native).units(&case.feature(), &reference).unwrap();
        for backend in BACKENDS {
            let units = method(backend).units(&feature, &reference).unwrap();
            let layer = method(backend).layer(&feature, &reference).unwrap();
            prop_assert_eq!(units.fault[image], Some(Fault::NotFinite));
            prop_assert_eq!(layer.fault[image], Some(Fault::NotFinite));
            prop_assert!(units.image(image).iter().all(|&score| score == 0.0));
            prop_assert!(values(&layer.probability.get(image as i64)).iter().all(|&p| p == 0.0));
            let mu = &mean_sa(std::slice::from_ref(&units))[image];
            prop_assert_eq!((mu.mu, mu.fault), (0.0, Some(Fault::NotFinite)));
            for other in (0..case.batch).filter(|&other| other != image) {
                prop_assert_eq!(units.image(other), clean.image(other));
            }
        }
    }

    #[test]
    fn metrics_stay_within_0_and_1(pixels in 1u64..1000, sam in 0u64..1000, reference in 0u64..1000, both in 0u64..1000) {
        let (sam, reference) = (sam.min(pixels), reference.min(pixels));
        let least = (sam + reference).saturating_sub(pixels);
        let both = both.clamp(least, sam.min(reference));
        let counts = Confusion { both, sam, reference, pixels };
        let all = [Metric::Dice, Metric::Jaccard, Metric::PixelAccuracy, Metric::Sensitivity, Metric::Specificity];
        for metric in all {
            prop_assert!((0.0..=1.0).contains(&metric.score(counts)), "{:?} {:?}", metric, counts);
        }
        let (dice, jaccard) = (Metric::Dice.score(counts), Metric::Jaccard.score(counts));
        prop_assert!((dice - 2.0 * jaccard / (1.0 + jaccard)).abs() < 1e-12);
    }

    /// The split keeps every unit once, and no inertia unit scores above an active one.
    #[test]
    fn units_split_into_two_groups(scores in prop::collection::vec(0.0f64..1.0, 1..70)) {
        let split = split_units(&scores);
        let mut all: Vec<usize> = split.active.iter().chain(&split.inertia).copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..scores.len()).collect::<Vec<_>>());
        prop_assert!(split.active.iter().all(|&unit| scores[unit] > split.threshold));
        prop_assert!(split.inertia.iter().all(|&unit| scores[unit] <= split.threshold));
    }
}

#[test]
fn two_clear_groups_of_units_are_told_apart() {
    let split = split_units(&[0.1, 0.93, 0.12, 0.9, 0.08, 0.95]);
    assert_eq!((split.active, split.inertia), (vec![5, 1, 3], vec![2, 0, 4]));
    assert!(
        split_units(&[0.5; 4]).active.is_empty(),
        "equal units carry the output no more than each other"
    );
}

#[test]
fn empty_and_full_outputs_have_no_score() {
    let feature = Tensor::rand([2, 4, 8, 8], (Kind::Float, tch::Device::Cpu));
    let probability = Tensor::stack(
        &[
            Tensor::zeros([1, 8, 8], (Kind::Float, tch::Device::Cpu)),
            Tensor::ones([1, 8, 8], (Kind::Float, tch::Device::Cpu)),
        ],
        0,
    );
    for mask in [MaskKind::Hard, MaskKind::Soft] {
        let reference = Prediction::new(&probability, None, mask).unwrap();
        for backend in BACKENDS {
            let units = method(backend).units(&feature, &reference).unwrap();
            assert_eq!(
                units.fault,
                [Some(Fault::EmptyPrediction), Some(Fault::FullPrediction)]
            );
            assert!(mean_sa(&[units]).iter().all(|image| image.mu == 0.0));
            let layer = method(backend).layer(&feature, &reference).unwrap();
            assert_eq!(layer.score, [0.0, 0.0]);
        }
    }
}

/// A dead unit (a ReLU that never opens) counts in N with the score 0.
#[test]
fn a_dead_unit_scores_0_and_counts() {
    let probability = Tensor::from_slice(&[0.9f32, 0.9, 0.1, 0.1]).view([1, 1, 4]);
    let feature = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 0.0, 3.0, 3.0, 1.0, 1.0]).view([1, 2, 4]);
    let reference = Prediction::new(&probability, None, MaskKind::Hard).unwrap();
    for backend in BACKENDS {
        let units = method(backend).units(&feature, &reference).unwrap();
        assert_eq!(units.scores, [0.0, 1.0]);
        assert_eq!(mean_sa(&[units])[0].mu, 0.5);
    }
}

#[test]
fn unit_maps_are_those_that_were_scored() {
    let probability = Tensor::from_slice(&[0.9f32, 0.9, 0.1, 0.1]).view([1, 1, 4]);
    let feature = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 0.0, 3.0, 3.0, 1.0, 1.0]).view([1, 2, 4]);
    let reference = Prediction::new(&probability, None, MaskKind::Hard).unwrap();
    for backend in BACKENDS {
        let (scores, maps) = method(backend).units_and_maps(&feature, &reference).unwrap();
        assert_eq!(scores.scores, [0.0, 1.0]);
        let sams = maps.sams(0, 1, &[1, 0]).unwrap();
        assert_eq!(values(&sams), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(values(&maps.average(0, 1).unwrap()), [0.5, 0.5, 0.0, 0.0]);
    }
}

/// At the layer's own resolution a cell belongs to what covers more than half of it.
#[test]
fn a_reference_can_be_averaged_down_to_a_layers_resolution() {
    let probability = Tensor::from_slice(&[0.9f32, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]).view([1, 1, 8]);
    let reference = Prediction::new(&probability, None, MaskKind::Hard)
        .unwrap()
        .at_resolution(&[4])
        .unwrap();
    assert_eq!(values(reference.labels()), [1.0, 0.0, 0.0, 0.0]);
    let feature = Tensor::from_slice(&[4.0f32, 2.0, 0.0, 0.0]).view([1, 1, 4]);
    let layer = ProtoSeg::default().layer(&feature, &reference).unwrap();
    // Prototypes by area: object (4 + 0.5 * 2) / 1.5, background 0.5 * 2 / 2.5; their midpoint lies at 1.867.
    assert_eq!(values(&layer.sam), [1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_both_shapes() {
    let probability = Tensor::full([1, 1, 4, 4], 0.9, (Kind::Float, tch::Device::Cpu));
    let reference = Prediction::new(&probability, None, MaskKind::Hard).unwrap();
    let refused = |shape: &[i64]| {
        let feature = Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        ProtoSeg::default()
            .units(&feature, &reference)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&[2, 3, 4, 4]).contains("`feature` has shape [2, 3, 4, 4]"));
    assert!(refused(&[1, 3, 8, 4]).contains("between 1 and the image's [4, 4]"));
    assert!(refused(&[1, 3, 4]).contains("2 spatial dimensions"));
    let labels = Tensor::zeros([1, 1, 4, 4], (Kind::Int64, tch::Device::Cpu));
    let error = Prediction::new(&labels, None, MaskKind::Hard)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("`probability` holds Int64 values"), "{error}");
    let valid = Tensor::ones([1, 1, 4, 3], (Kind::Uint8, tch::Device::Cpu));
    let error = Prediction::new(&probability, Some(&valid), MaskKind::Hard)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("`valid` has shape [1, 1, 4, 3], [1, 1, 4, 4] would fit"),
        "{error}"
    );
}
