//! Random changes to training images: image, labels and validity move together, and a seed says how.

use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagate_lab::train::Sample;
use sagate_lab::train::augment::Augmentation;

use crate::phantom::sample;

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn apply(augmentation: &Augmentation, sample: &Sample, seed: u64) -> Sample {
    augmentation.apply(sample, &mut random(seed))
}

#[test]
fn nothing_asked_for_is_nothing_done() {
    let original = sample(3, 40, 36, 2);
    assert_eq!(apply(&Augmentation::none(), &original, 1), original);
    // Certain, but by nothing.
    let still = Augmentation {
        affine: 1.0,
        rotation: 0.0,
        scale: 0.0,
        translation: 0.0,
        shear: 0.0,
        ..Augmentation::none()
    };
    assert_eq!(apply(&still, &original, 1), original);
}

#[test]
fn flips_swap_the_sides() {
    let original = sample(3, 40, 36, 2);
    let horizontal = Augmentation {
        flip_horizontal: 1.0,
        ..Augmentation::none()
    };
    let vertical = Augmentation {
        flip_vertical: 1.0,
        ..Augmentation::none()
    };
    for (augmentation, [up, left]) in [(horizontal, [false, true]), (vertical, [true, false])] {
        let at = |y: usize, x: usize| [if up { 39 - y } else { y }, if left { 35 - x } else { x }];
        let flipped = apply(&augmentation, &original, 1);
        for y in 0..40 {
            for x in 0..36 {
                let [from_y, from_x] = at(y, x);
                assert_eq!(flipped.pixels[[0, y, x]], original.pixels[[0, from_y, from_x]]);
                assert_eq!(flipped.labels[[y, x]], original.labels[[from_y, from_x]]);
            }
        }
        assert_eq!(apply(&augmentation, &flipped, 1), original, "twice is back");
    }
}

#[test]
fn labels_and_validity_move_with_the_image() {
    let mut original = sample(3, 64, 60, 1);
    // The image shows its own labels, and the rim is no part of it.
    original
        .pixels
        .index_axis_mut(ndarray::Axis(0), 0)
        .assign(&original.labels.mapv(f32::from));
    let inner = |(y, x): (usize, usize)| u8::from((8..56).contains(&y) && (8..52).contains(&x));
    original.valid = Some(Array2::from_shape_fn((64, 60), inner));
    let wild = Augmentation {
        affine: 1.0,
        rotation: 40.0,
        shear: 15.0,
        scale: 0.3,
        ..Augmentation::none()
    };
    for seed in 0..20 {
        let moved = apply(&wild, &original, seed);
        assert_eq!(moved.pixels.dim(), original.pixels.dim());
        let mut agree = 0;
        for ((y, x), &label) in moved.labels.indexed_iter() {
            agree += usize::from((moved.pixels[[0, y, x]] > 0.5) == (label == 1));
        }
        // Linear and nearest interpolation may round the rim of the disc differently.
        assert!(
            agree as f64 > 0.99 * moved.labels.len() as f64,
            "{agree} of {}",
            moved.labels.len()
        );
        let valid = moved.valid.unwrap();
        assert!(valid[[32, 30]] == 1 && valid.iter().any(|&valid| valid == 0));
    }
}

#[test]
fn intensity_changes_no_label_and_stays_finite() {
    let original = sample(3, 40, 36, 1);
    let strong = Augmentation {
        intensity: 1.0,
        gain: 0.9,
        offset: 2.0,
        gamma: 1.0,
        noise: 1.0,
        ..Augmentation::none()
    };
    for seed in 0..20 {
        let changed = apply(&strong, &original, seed);
        assert_eq!(changed.labels, original.labels);
        assert_ne!(changed.pixels, original.pixels);
        assert!(changed.pixels.iter().all(|value| value.is_finite()));
    }
    let mut flat = original;
    flat.pixels.fill(3.0);
    assert_eq!(
        apply(&strong, &flat, 1).pixels,
        flat.pixels,
        "a constant image has no contrast to change"
    );
}

#[test]
fn a_seed_says_how() {
    let original = sample(3, 40, 36, 2);
    let usual = Augmentation {
        affine: 1.0,
        intensity: 1.0,
        ..Augmentation::default()
    };
    assert_eq!(apply(&usual, &original, 5), apply(&usual, &original, 5));
    assert_ne!(
        apply(&usual, &original, 5).pixels,
        apply(&usual, &original, 6).pixels
    );
}
