//! The map from quality score to estimated Dice. If these fail, a user reads an estimate that the calibration does not support.

use proptest::prelude::*;
use sagate_core::gate::{DiceEstimator, LabelledScore, MIN_LABELLED};

/// As many images as knots, so that each knot is an image's score.
const IMAGES: usize = 21;

fn known(dice: &[f64]) -> Vec<LabelledScore> {
    (0..)
        .zip(dice)
        .map(|(image, &dice)| LabelledScore {
            score: image as f64 / 20.0,
            dice,
            image,
        })
        .collect()
}

/// Isotonic regression by its definition: at each place the largest of the least means of stretches that hold it.
fn isotonic(dice: &[f64]) -> Vec<f64> {
    let mean = |from: usize, to: usize| dice[from..=to].iter().sum::<f64>() / (to - from + 1) as f64;
    (0..dice.len())
        .map(|at| {
            let least = |from: usize| {
                (at..dice.len())
                    .map(|to| mean(from, to))
                    .fold(f64::INFINITY, f64::min)
            };
            (0..=at).map(least).fold(f64::NEG_INFINITY, f64::max)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn it_is_the_isotonic_regression_with_an_interval_around(dice in prop::collection::vec(0.0f64..1.0, IMAGES)) {
        let known = known(&dice);
        let map = DiceEstimator::fit(&known, 1).unwrap();
        prop_assert!(map.is_sound());
        let mut before = (0.0, 0.0, 0.0);
        for (known, expected) in known.iter().zip(isotonic(&dice)) {
            let found = map.estimate(known.score).unwrap();
            prop_assert!((found.value - expected).abs() < 1e-9, "{} at {}: {expected}", found.value, known.score);
            prop_assert!(found.low <= found.value && found.value <= found.high);
            let now = (found.value, found.low, found.high);
            prop_assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2, "{now:?} after {before:?}");
            before = now;
        }
        // Between two knots, between their promises.
        let [low, middle, high] = [0.5, 0.525, 0.55].map(|score| map.estimate(score).unwrap().value);
        prop_assert!(low <= middle && middle <= high);
    }
}

#[test]
fn beyond_the_known_scores_it_promises_what_the_nearest_does() {
    let dice: Vec<f64> = (0..IMAGES).map(|image| 0.3 + 0.02 * image as f64).collect();
    let map = DiceEstimator::fit(&known(&dice), 1).unwrap();
    assert_eq!(map.estimate(-5.0), map.estimate(0.0));
    assert_eq!(map.estimate(5.0), map.estimate(1.0));
    assert_eq!(map.estimate(f64::NAN), None);
    assert!((map.estimate(1.0).unwrap().value - 0.7).abs() < 1e-9);
}

/// Copies of an image are one piece of evidence.
#[test]
fn copies_do_not_make_up_for_images() {
    let few: Vec<LabelledScore> = (0..200)
        .map(|copy| LabelledScore {
            score: copy as f64 / 200.0,
            dice: 0.5,
            image: copy % (MIN_LABELLED - 1),
        })
        .collect();
    assert_eq!(DiceEstimator::fit(&few, 1), None);
}

#[test]
fn a_map_that_was_tampered_with_is_not_sound() {
    let map = DiceEstimator::fit(&known(&[0.5; IMAGES]), 1).unwrap();
    let text = serde_json::to_string(&map).unwrap();
    assert_eq!(serde_json::from_str::<DiceEstimator>(&text).unwrap(), map);
    for (from, to) in [("\"value\":0.5", "\"value\":1.5"), ("\"low\":0.5", "\"low\":0.9")] {
        let bad: DiceEstimator = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert!(!bad.is_sound(), "{to}");
    }
}
