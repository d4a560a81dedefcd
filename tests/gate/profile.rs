//! The profile of unit scores. If these fail, images that look like the calibration are called strange, or strange ones usual.

use ndarray::Array2;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::gate::{MIN_IMAGES, UnitProfile};

/// Scores of images whose units move together: unit u of an image is `0.9 - 0.1 u + 0.05 a + 0.01 b_u`.
fn scores(images: usize, units: usize, seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let common: Vec<f64> = (0..images).map(|_| random.gen_range(-1.0..1.0)).collect();
    Array2::from_shape_fn((images, units), |(image, unit)| {
        0.9 - 0.1 * unit as f64 + 0.05 * common[image] + 0.01 * random.gen_range(-1.0..1.0)
    })
}

#[test]
fn the_calibration_is_usual_and_what_breaks_its_pattern_is_not() {
    let scores = scores(200, 6, 1);
    let profile = UnitProfile::fit(&scores).unwrap();
    let mean_distance = scores
        .rows()
        .into_iter()
        .map(|row| profile.distance(&row.to_vec()))
        .sum::<f64>()
        / 200.0;
    // The mean squared distance of a sample from its own mean is the number of units.
    assert!((mean_distance / 6.0 - 1.0).abs() < 0.2, "{mean_distance}");
    let usual = scores.row(0).to_vec();
    // All units a little higher is what the images do anyway; one higher and another lower is not.
    let together: Vec<f64> = usual.iter().map(|score| score + 0.03).collect();
    let mut apart = usual.clone();
    apart[0] += 0.06;
    apart[1] -= 0.06;
    assert!(profile.distance(&apart) > 4.0 * profile.distance(&together));
    assert!(profile.typicality(&apart) < profile.typicality(&usual));
    // Agreement beyond anything in the calibration is suspect too.
    assert!(profile.typicality(&[1.0; 6]) < 0.01);
}

#[test]
fn agreement_is_over_the_units_that_usually_agree() {
    let scores = scores(50, 6, 2);
    let profile = UnitProfile::fit(&scores).unwrap();
    // Means near 0.9, 0.8, 0.7...: 0.8 times the best lies between the second and the third.
    assert_eq!(profile.reliable(), [0, 1]);
    assert!((profile.agreement(&[0.6, 0.4, 0.0, 0.0, 0.0, 0.0]) - 0.5).abs() < 1e-12);
}

#[test]
fn fewer_images_than_units_still_have_a_distance() {
    let profile = UnitProfile::fit(&scores(12, 64, 3).mapv(|score| score.clamp(0.0, 1.0))).unwrap();
    assert!(profile.shrinkage() > 0.0 && profile.shrinkage() <= 1.0);
    assert!(profile.distance(&[0.5; 64]).is_finite());
}

#[test]
fn what_is_no_distribution_is_refused() {
    assert!(UnitProfile::fit(&scores(MIN_IMAGES - 1, 4, 1)).is_none());
    assert!(UnitProfile::fit(&Array2::zeros((20, 0))).is_none());
    let mut broken = scores(20, 4, 1);
    broken[[3, 2]] = f64::NAN;
    assert!(UnitProfile::fit(&broken).is_none());
    // Units that never move: all that differs from them is infinitely strange, nothing panics.
    let still = UnitProfile::fit(&Array2::from_elem((20, 4), 0.5)).unwrap();
    assert!(still.distance(&[0.5; 4]) < 1e-9 && still.typicality(&[0.9; 4]) < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// The distance is that of the definition, whatever the order of the units.
    #[test]
    fn the_order_of_units_does_not_matter(seed in any::<u64>(), shift in 1usize..5) {
        let scores = scores(30, 5, seed);
        let turned = Array2::from_shape_fn(scores.dim(), |(image, unit)| scores[[image, (unit + shift) % 5]]);
        let image = [0.8, 0.75, 0.7, 0.5, 0.55];
        let turned_image: Vec<f64> = (0..5).map(|unit| image[(unit + shift) % 5]).collect();
        let (a, b) = (UnitProfile::fit(&scores).unwrap(), UnitProfile::fit(&turned).unwrap());
        let (a, b) = (a.distance(&image), b.distance(&turned_image));
        prop_assert!((a - b).abs() < 1e-6 * a.max(1.0), "{} and {}", a, b);
    }
}
