//! Perturbation calibration: how the model's output changes when calibration images are perturbed at random. The quality score
//! ([`sagate_core::gate::QualityScore`]) is fitted to the results; no ground truth is needed.

mod intensity;
mod perturb;

use ndarray::Array2;
use sagate_core::executor::ExecutorError;
use sagate_core::executor::{ModelExecutor, PreparedImage, Segmentation, dice};
use sagate_core::gate::{Confidence, FeatureVector, Shape};

pub use perturb::perturb;

/// Perturbed copies that go through the network in one batch.
const BATCH: usize = 8;

/// A calibration image after preprocessing, and its ground truth on the image's own grid where it is known.
pub type CalibrationImage<'a> = (PreparedImage, Option<&'a Array2<u8>>);

/// The features and Dice of one image or perturbed copy, on the prepared grid.
#[derive(Debug, Clone)]
pub struct PerturbationSample {
    /// Index of the calibration image.
    pub image: usize,
    /// Whether it is a perturbed copy.
    pub perturbed: bool,
    /// SA score of each unit of mu's layers.
    pub units: Vec<f64>,
    /// Confidence of the probability map in the mask.
    pub confidence: Confidence,
    /// The shape of the output.
    pub shape: Shape,
    /// Whether the output is empty, full or not finite, so that it has no score.
    pub fault: bool,
    /// Self-consistency: Dice of the output with the model's output on the original image, transformed alike; 1 for the original.
    pub self_dice: f64,
    /// Dice of the output with the ground truth, transformed alike, where it is known.
    pub true_dice: Option<f64>,
}

impl PerturbationSample {
    /// The features that the quality score is fitted on.
    pub fn features(&self) -> FeatureVector<'_> {
        FeatureVector {
            units: &self.units,
            confidence: self.confidence,
            shape: self.shape,
        }
    }
}

/// Runs a model on each image and on `times` perturbed copies of it. Deterministic. `advance` is called after each image.
///
/// # Errors
/// A ground truth that is not of its image's size, or a forward pass that fails.
pub fn sample(
    executor: &ModelExecutor,
    images: &[CalibrationImage<'_>],
    times: u32,
    advance: &mut dyn FnMut(),
) -> Result<Vec<PerturbationSample>, ExecutorError> {
    let classes = executor.manifest().classes.len();
    let mut samples = Vec::with_capacity(images.len() * (times as usize + 1));
    for (index, (image, truth)) in images.iter().enumerate() {
        let truth = truth.map(|truth| image.prepare_labels(truth)).transpose()?;
        let image = image.on_its_own_grid();
        let original = executor.segment(&[&image])?.remove(0);
        let own_labels = original.labels.clone();
        let measure = |result: &Segmentation,
                       perturbed: bool,
                       own_labels: &Array2<u8>,
                       truth: Option<&Array2<u8>>| PerturbationSample {
            image: index,
            perturbed,
            units: result.mean_sa.units.clone(),
            confidence: result.confidence,
            shape: Shape::new(&result.labels),
            fault: result.mean_sa.fault.is_some(),
            self_dice: dice(&result.labels, own_labels, classes),
            true_dice: truth.map(|truth| dice(&result.labels, truth, classes)),
        };
        samples.push(measure(&original, false, &own_labels, truth.as_ref()));

        let steps = &executor.manifest().preprocessing;
        let mut copies = Vec::with_capacity(times as usize);
        for time in 0..times as usize {
            // Another image each time, so that mixup partners differ.
            let other = images[(index + 1 + time) % images.len()].0.pixels();
            let seed = (index * times as usize + time) as u64;
            let copy = perturb(image.pixels(), &own_labels, other, steps, seed)?;
            // The random draws do not depend on the labels, so the truth undergoes the same transforms.
            let truth = truth
                .as_ref()
                .map(|truth| {
                    Ok::<_, ExecutorError>(perturb(image.pixels(), truth, other, steps, seed)?.labels)
                })
                .transpose()?;
            copies.push((image.with_pixels(copy.pixels), copy.labels, truth));
        }
        for batch in copies.chunks(BATCH) {
            let images: Vec<&PreparedImage> = batch.iter().map(|(image, ..)| image).collect();
            for (result, (_, own_labels, truth)) in executor.segment(&images)?.iter().zip(batch) {
                samples.push(measure(result, true, own_labels, truth.as_ref()));
            }
        }
        advance();
    }
    Ok(samples)
}
