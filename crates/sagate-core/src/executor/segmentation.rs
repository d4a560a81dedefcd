//! What the model says of one image.

use ndarray::{Array2, Array3, Axis};
use protoseg::{Fault, MeanSa};

use crate::gate::{Confidence, Expectation, QcInputs};

/// What the model says of one image, on the image's own grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// `[K, height, width]`: the probability of each object class, in [0, 1].
    pub probability: Array3<f32>,
    /// `[height, width]`: 0 background, k object class k.
    pub labels: Array2<u8>,
    /// The mean SA score and every unit's score, or why there is none.
    pub mean_sa: MeanSa,
    /// How sure the probabilities are of the labels; NaN where mu is not finite.
    pub confidence: Confidence,
    /// What a rehearsal taught, where the calibration has such a score.
    pub score: Option<Score>,
    /// How well each of the layers that mu is taken over agrees with the output.
    pub layers: Vec<LayerScore>,
    /// Whether the input lies within what the model is for.
    pub input_in_range: bool,
}

/// The rehearsed score of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// In [0, 1]; 0 where the output is empty or full, NaN where mu is not finite.
    pub value: f64,
    /// The Dice that it promises, where the calibration knows that and the output is neither empty nor full.
    pub expected_dice: Option<Expectation>,
}

/// How well a layer agrees with the network's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerScore {
    /// Layer number, 1 to 18.
    pub layer: usize,
    /// SA score of the layer's own SAM (eq. 8), in [0, 1]; 0 where the output is empty, full or not finite.
    pub sa_score: f64,
    /// Mean SA score of the layer's units, in [0, 1].
    pub mean_unit_sa_score: f64,
}

impl Segmentation {
    /// The share of the image's pixels that are object, in [0, 1].
    pub fn object_fraction(&self) -> f64 {
        // Counted in bytes for as long as a byte holds the count, which makes the most of a vector.
        let count = |part: &[u8]| part.iter().map(|&label| u8::from(label > 0)).sum::<u8>();
        let labels = self.labels.as_standard_layout();
        let labels = labels.as_slice().expect("standard layout is one slice");
        let objects: u64 = labels.chunks(128).map(|part| u64::from(count(part))).sum();
        objects as f64 / self.labels.len().max(1) as f64
    }

    /// On what the gate decides.
    pub fn evidence(&self) -> QcInputs {
        let fault = self.mean_sa.fault;
        QcInputs {
            // What is not finite has no score, and the gate must see that it has none.
            mu: if fault == Some(Fault::NotFinite) {
                f64::NAN
            } else {
                self.mean_sa.mu
            },
            score: self.score.map(|score| score.value),
            empty: fault == Some(Fault::EmptyPrediction),
            full: fault == Some(Fault::FullPrediction),
            input_in_range: self.input_in_range,
        }
    }

    /// Dice of the labels against the truth (both `[height, width]`): the mean over the object classes that either holds, 1
    /// where neither holds any.
    ///
    /// # Panics
    /// Where the truth's shape is not the image's.
    pub fn dice(&self, truth: &Array2<u8>) -> f64 {
        dice(&self.labels, truth, self.probability.len_of(Axis(0)))
    }
}

/// Dice of labels against the truth, as [`Segmentation::dice`], for a model of so many object classes.
///
/// # Panics
/// Where the shapes differ.
pub fn dice(labels: &Array2<u8>, truth: &Array2<u8>, classes: usize) -> f64 {
    assert_eq!(labels.dim(), truth.dim(), "the truth lies on the image's grid");
    let scores: Vec<f64> = (1..=classes as u8)
        .filter_map(|class| {
            let (mut both, mut either) = (0u64, 0u64);
            for (&found, &wanted) in labels.iter().zip(truth) {
                both += u64::from(found == class && wanted == class);
                either += u64::from(found == class) + u64::from(wanted == class);
            }
            (either > 0).then(|| 2.0 * both as f64 / either as f64)
        })
        .collect();
    if scores.is_empty() {
        1.0
    } else {
        scores.iter().sum::<f64>() / scores.len() as f64
    }
}

/// Labels by the network's rule: with one class object iff `p > 0.5`, with several the likeliest of background and classes.
pub(super) fn labels(probability: &Array3<f32>) -> Array2<u8> {
    let (classes, height, width) = probability.dim();
    if classes == 1 {
        return probability.index_axis(Axis(0), 0).mapv(|p| u8::from(p > 0.5));
    }
    Array2::from_shape_fn((height, width), |(row, column)| {
        let of = |class: usize| probability[[class, row, column]];
        let background = 1.0 - (0..classes).map(of).sum::<f32>();
        let mut best = (background, 0);
        for class in 0..classes {
            if of(class) > best.0 {
                best = (of(class), class as u8 + 1);
            }
        }
        best.1
    })
}
