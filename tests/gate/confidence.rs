//! Soft Dice confidence and the mean confidence inside the object.
//!
//! What would break: a score that is not the Dice that the probabilities expect, that depends on where in the image the object
//! lies, or that hides an answer which is not finite.

use ndarray::{Array2, Array3, Axis, array, concatenate};
use proptest::prelude::*;
use sagate_core::gate::Confidence;

fn of(probability: &Array3<f32>, labels: &Array2<u8>) -> [f64; 2] {
    let Confidence { soft_dice, object } = Confidence::new(probability, labels);
    [soft_dice, object]
}

fn near(found: [f64; 2], expected: [f64; 2]) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }
}

/// The network's own rule for one class.
fn labels(probability: &Array3<f32>) -> Array2<u8> {
    probability.index_axis(Axis(0), 0).mapv(|p| u8::from(p > 0.5))
}

#[test]
fn one_class() {
    let probability = array![[[0.75, 0.25], [1.0, 0.5]]];
    let labels = labels(&probability);
    assert_eq!(labels, array![[1, 0], [1, 0]]);
    // 2 (0.75 + 1) / (2.5 + 2), and (0.75 + 1) / 2.
    near(of(&probability, &labels), [3.5 / 4.5, 0.875]);
}

/// Each class weighs the same in soft Dice confidence, each pixel in the other; a class that the mask lacks counts in neither.
#[test]
fn several_classes() {
    let probability = array![[[0.5, 0.75, 0.25]], [[0.25, 0.0, 0.5]], [[0.25, 0.25, 0.125]]];
    let labels = array![[1, 1, 2]];
    let (first, second) = (2.0 * 1.25 / (1.5 + 2.0), 2.0 * 0.5 / (0.75 + 1.0));
    near(
        of(&probability, &labels),
        [(first + second) / 2.0, (0.5 + 0.75 + 0.5) / 3.0],
    );
}

#[test]
fn empty_and_full() {
    let faint = Array3::from_elem((1, 5, 7), 0.25);
    assert_eq!(of(&faint, &Array2::zeros((5, 7))), [0.0, 0.0], "no object");
    assert_eq!(of(&Array3::zeros((1, 5, 7)), &Array2::zeros((5, 7))), [0.0, 0.0]);
    let strong = Array3::from_elem((1, 5, 7), 0.75);
    near(of(&strong, &Array2::ones((5, 7))), [1.5 / 1.75, 0.75]);
    assert_eq!(of(&Array3::ones((1, 5, 7)), &Array2::ones((5, 7))), [1.0, 1.0]);
    assert_eq!(of(&Array3::ones((1, 0, 7)), &Array2::ones((0, 7))), [0.0, 0.0]);
}

#[test]
fn what_is_not_finite_is_not_hidden() {
    for (place, value) in [
        ([0, 0, 0], f32::NAN),
        ([1, 8, 8], f32::NAN),
        ([1, 4, 4], f32::INFINITY),
    ] {
        let mut probability = Array3::from_elem((2, 9, 9), 0.25);
        probability[place] = value;
        for label in 0..=2 {
            let found = of(&probability, &Array2::from_elem((9, 9), label));
            assert!(found.iter().all(|score| score.is_nan()), "{value} at {place:?}");
        }
    }
}

/// A million pixels of one value: no digit is lost on the way.
#[test]
fn sums_are_exact_enough() {
    let (probability, labels) = (
        Array3::from_elem((1, 1024, 1031), 0.7),
        Array2::ones((1024, 1031)),
    );
    near(
        of(&probability, &labels),
        [
            f64::from(0.7f32) * 2.0 / (1.0 + f64::from(0.7f32)),
            f64::from(0.7f32),
        ],
    );
}

#[test]
#[should_panic(expected = "labels lie on the probabilities' grid")]
fn grids_must_be_one() {
    Confidence::new(&Array3::zeros((1, 2, 3)), &Array2::zeros((3, 2)));
}

/// Probabilities of up to three classes, labels of any of them.
fn cases() -> impl Strategy<Value = (Array3<f32>, Array2<u8>)> {
    (1usize..4, 1usize..12, 1usize..12).prop_flat_map(|(classes, height, width)| {
        let probability = prop::collection::vec(0.0f32..=1.0, classes * height * width);
        let labels = prop::collection::vec(0..=classes as u8, height * width);
        (probability, labels).prop_map(move |(probability, labels)| {
            (
                Array3::from_shape_vec((classes, height, width), probability).unwrap(),
                Array2::from_shape_vec((height, width), labels).unwrap(),
            )
        })
    })
}

proptest! {
    #[test]
    fn they_lie_between_0_and_1((probability, labels) in cases()) {
        for score in of(&probability, &labels) {
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }

    #[test]
    fn of_sure_probabilities_it_is_dice((probability, mask) in cases()) {
        let sure = probability.mapv(f32::round).slice_move(ndarray::s![..1, .., ..]);
        let mask = mask.mapv(|label| u8::from(label == 1));
        let (both, object) = sure.iter().zip(&mask).fold((0.0, 0.0), |(both, object), (&p, &label)| {
            (both + f64::from(p) * f64::from(label), object + f64::from(label))
        });
        let either = f64::from(sure.sum()) + object;
        let dice = if object > 0.0 { 2.0 * both / either } else { 0.0 };
        near(of(&sure, &mask), [dice, if object > 0.0 { both / object } else { 0.0 }]);
    }

    #[test]
    fn where_a_pixel_lies_does_not_matter((probability, labels) in cases(), cut in 0usize..12) {
        let cut = cut.min(labels.nrows());
        let turned = |labels: &Array2<u8>| {
            let (top, bottom) = labels.view().split_at(Axis(0), cut);
            concatenate![Axis(0), bottom, top].reversed_axes()
        };
        let planes: Vec<_> = probability
            .outer_iter()
            .map(|plane| {
                let (top, bottom) = plane.split_at(Axis(0), cut);
                concatenate![Axis(0), bottom, top].reversed_axes().insert_axis(Axis(0))
            })
            .collect();
        let planes: Vec<_> = planes.iter().map(|plane| plane.view()).collect();
        let moved = ndarray::concatenate(Axis(0), &planes).unwrap();
        near(of(&moved, &turned(&labels)), of(&probability, &labels));
    }
}
