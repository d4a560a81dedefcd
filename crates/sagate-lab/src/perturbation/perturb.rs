//! Random perturbation of an image.
//!
//! The output on a perturbed image is compared with the output on the original image, which undergoes the same geometric transform: that
//! Dice needs no ground truth. The transforms are drawn anew for each copy and cover a broad range instead of imitating a scanner:
//! affine transforms, non-linear intensity remapping, random filters, correlated noise, bias fields, random erasing and mixup.

use ndarray::{Array2, Array3};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::imaging::Image;
use sagate_core::imaging::ImagingError;
use sagate_core::imaging::preprocess::{Step, prepare};

use super::intensity;
use crate::train::{Augmentation, Sample};

/// A random transform of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transform {
    /// Rotation, scaling, translation, shear and flips.
    Affine,
    /// Non-linear remap of the intensities along a random curve.
    Remap,
    /// A random 3x3 or 5x5 filter.
    Filter,
    /// Correlated noise of a random correlation length.
    Noise,
    /// A smooth random gain field.
    BiasField,
    /// Random erasing: rectangles filled with one value.
    Erase,
    /// Mixup with another calibration image.
    Mixup,
}

const TRANSFORMS: [Transform; 7] = [
    Transform::Affine,
    Transform::Remap,
    Transform::Filter,
    Transform::Noise,
    Transform::BiasField,
    Transform::Erase,
    Transform::Mixup,
];

/// Perturbs a prepared image by one or two transforms of random strength.
///
/// * `pixels`: `[channels, height, width]`, the network's input.
/// * `mask`: `[height, width]`, the network's output on it; it undergoes the same geometric transform.
/// * `other`: another prepared calibration image, for mixup; ignored where its size differs.
/// * `steps`: the model's preprocessing, whose intensity steps are applied again, as in serving.
///
/// # Errors
/// When a preprocessing step fails.
pub fn perturb(
    pixels: &Array3<f32>,
    mask: &Array2<u8>,
    other: &Array3<f32>,
    steps: &[Step],
    seed: u64,
) -> Result<Sample, ImagingError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = Sample {
        pixels: pixels.clone(),
        labels: mask.clone(),
        valid: None,
    };
    let count = random.gen_range(1..=2);
    for transform in TRANSFORMS.choose_multiple(&mut random, count) {
        // Uniform strengths: mild perturbations are as informative as severe ones.
        let strength = random.gen_range(0.0f64..1.0);
        let pixels = &mut sample.pixels;
        match transform {
            Transform::Affine => sample = affine(strength).apply(&sample, &mut random),
            Transform::Remap => intensity::remap(pixels, strength, &mut random),
            Transform::Filter => intensity::filter(pixels, strength, &mut random),
            Transform::Noise => intensity::correlated_noise(pixels, strength, &mut random),
            Transform::BiasField => intensity::bias_field(pixels, strength, &mut random),
            Transform::Erase => intensity::erase(pixels, strength, &mut random),
            Transform::Mixup => intensity::mixup(pixels, other, strength, &mut random),
        }
    }
    let intensity_steps: Vec<Step> = steps
        .iter()
        .filter(|step| matches!(step, Step::ClipPercentiles { .. } | Step::ZScore))
        .cloned()
        .collect();
    let image = Image::new(sample.pixels, [1.0, 1.0]);
    sample.pixels = prepare(image, &intensity_steps)?.pixels;
    Ok(sample)
}

/// The ranges of the affine transform at a strength of 0 to 1.
fn affine(strength: f64) -> Augmentation {
    Augmentation {
        flip_horizontal: 0.3,
        flip_vertical: 0.3 * strength,
        affine: 1.0,
        rotation: 180.0 * strength,
        scale: 0.5 * strength,
        translation: 0.25 * strength,
        shear: 30.0 * strength,
        intensity: 0.0,
        ..Augmentation::default()
    }
}
