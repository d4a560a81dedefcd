//! Images spoilt at random.
//!
//! A spoilt image's output is held against the output on the same image unspoilt, which moved along where the image was turned:
//! that Dice needs no ground truth. What spoils is drawn anew for each image and is broad rather than like any scanner: bent
//! tones, random filters, grain of any size, shading, holes, another image shining through, turned and scaled anatomy.

use ndarray::{Array2, Array3};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::imaging::Image;
use sagate_core::imaging::ImagingError;
use sagate_core::imaging::preprocess::{Step, prepare};

use super::tones;
use crate::train::{Augmentation, Sample};

/// One way to spoil an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Turned, scaled, moved, sheared or flipped.
    Move,
    /// Intensities bent along a random curve.
    Bend,
    /// A random filter of 3x3 or 5x5.
    Filter,
    /// Noise of a random grain.
    Grain,
    /// A smooth random field multiplied on.
    Shade,
    /// Rectangles filled with one value.
    Cut,
    /// Another calibration image shining through.
    Blend,
}

const TRIALS: [Trial; 7] = [
    Trial::Move,
    Trial::Bend,
    Trial::Filter,
    Trial::Grain,
    Trial::Shade,
    Trial::Cut,
    Trial::Blend,
];

/// Spoils a prepared image in one or two ways of random strength.
///
/// * `pixels`: `[channels, height, width]`, as the network takes it.
/// * `mask`: `[height, width]`, the network's output on it; it moves along.
/// * `other`: another calibration image, as prepared; it is left out where its size differs.
/// * `steps`: the model's preprocessing, whose steps on intensities are done once more, as serving would.
///
/// # Errors
/// When a preprocessing step fails.
pub fn spoil(
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
    for trial in TRIALS.choose_multiple(&mut random, count) {
        // Mild spoiling is as telling as severe.
        let strength = random.gen_range(0.0f64..1.0);
        match trial {
            Trial::Move => sample = moves(strength).apply(&sample, &mut random),
            Trial::Bend => tones::bend(&mut sample.pixels, strength, &mut random),
            Trial::Filter => tones::filter(&mut sample.pixels, strength, &mut random),
            Trial::Grain => tones::grain(&mut sample.pixels, strength, &mut random),
            Trial::Shade => tones::shade(&mut sample.pixels, strength, &mut random),
            Trial::Cut => tones::cut(&mut sample.pixels, strength, &mut random),
            Trial::Blend => tones::blend(&mut sample.pixels, other, strength, &mut random),
        }
    }
    let tones: Vec<Step> = steps
        .iter()
        .filter(|step| matches!(step, Step::ClipPercentiles { .. } | Step::ZScore))
        .cloned()
        .collect();
    let image = Image::new(sample.pixels, [1.0, 1.0]);
    sample.pixels = prepare(image, &tones)?.pixels;
    Ok(sample)
}

/// How far an image is moved at a strength of 0 to 1.
fn moves(strength: f64) -> Augmentation {
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
