//! A rehearsal with a model: calibration images as they are and spoilt at random, and how far its answers hold. A score beside mu
//! ([`sagate_core::gate::RehearsedScore`]) learns from it what failure looks like, without labels.

mod spoil;
mod tones;

use ndarray::Array2;
use sagate_core::executor::ExecutorError;
use sagate_core::executor::{ModelExecutor, PreparedImage, Segmentation, dice};
use sagate_core::gate::{Confidence, FeatureVector, Shape};

pub use spoil::spoil;

/// Spoilt copies that go through the network together.
const BATCH: usize = 8;

/// An image for a rehearsal: as the model takes it, and its truth on the image's own grid where it is known.
pub type Rehearsing<'a> = (PreparedImage, Option<&'a Array2<u8>>);

/// What was read of an image or of a spoilt copy, on the prepared grid.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// The image's place among those that were given.
    pub image: usize,
    /// Whether it is a spoilt copy.
    pub spoilt: bool,
    /// SA score of each unit of mu's layers.
    pub units: Vec<f64>,
    /// How sure the probabilities are.
    pub confidence: Confidence,
    /// The shape of the output.
    pub shape: Shape,
    /// Whether the output is empty, full or not finite, so that no score is asked of it.
    pub fault: bool,
    /// Dice of the output with the model's own output on the image unspoilt, moved along; 1 for that image itself.
    pub own_dice: f64,
    /// Dice of the output with the truth, moved along, where it is known.
    pub true_dice: Option<f64>,
}

impl Rehearsed {
    /// The reading that a score is made of.
    pub fn reading(&self) -> FeatureVector<'_> {
        FeatureVector {
            units: &self.units,
            confidence: self.confidence,
            shape: self.shape,
        }
    }
}

/// Runs a model on each image and on `times` spoilt copies of it; the same images give the same outcome. `advance` is told when an
/// image is done.
///
/// # Errors
/// A truth that is not of its image's size, or a pass that fails.
pub fn rehearse(
    pass: &ModelExecutor,
    images: &[Rehearsing<'_>],
    times: u32,
    advance: &mut dyn FnMut(),
) -> Result<Vec<Rehearsed>, ExecutorError> {
    let classes = pass.manifest().classes.len();
    let mut all = Vec::with_capacity(images.len() * (times as usize + 1));
    for (index, (ready, truth)) in images.iter().enumerate() {
        let truth = truth.map(|truth| ready.prepare_labels(truth)).transpose()?;
        let image = ready.on_its_own_grid();
        let clean = pass.segment(&[&image])?.remove(0);
        let own = clean.labels.clone();
        let read =
            |result: &Segmentation, spoilt: bool, own: &Array2<u8>, truth: Option<&Array2<u8>>| Rehearsed {
                image: index,
                spoilt,
                units: result.mean_sa.units.clone(),
                confidence: result.confidence,
                shape: Shape::new(&result.labels),
                fault: result.mean_sa.fault.is_some(),
                own_dice: dice(&result.labels, own, classes),
                true_dice: truth.map(|truth| dice(&result.labels, truth, classes)),
            };
        all.push(read(&clean, false, &own, truth.as_ref()));

        let steps = &pass.manifest().preprocessing;
        let mut copies = Vec::with_capacity(times as usize);
        for time in 0..times as usize {
            // Another image each time, so that what shines through differs.
            let other = images[(index + 1 + time) % images.len()].0.pixels();
            let seed = (index * times as usize + time) as u64;
            let spoilt = spoil(image.pixels(), &own, other, steps, seed)?;
            // What is drawn does not depend on the labels that move along.
            let truth = truth
                .as_ref()
                .map(|truth| Ok::<_, ExecutorError>(spoil(image.pixels(), truth, other, steps, seed)?.labels))
                .transpose()?;
            copies.push((image.with_pixels(spoilt.pixels), spoilt.labels, truth));
        }
        for batch in copies.chunks(BATCH) {
            let ready: Vec<&PreparedImage> = batch.iter().map(|(ready, ..)| ready).collect();
            for (result, (_, own, truth)) in pass.segment(&ready)?.iter().zip(batch) {
                all.push(read(result, true, own, truth.as_ref()));
            }
        }
        advance();
    }
    Ok(all)
}
