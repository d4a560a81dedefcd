//! The result of one image.

use ndarray::{Array2, Array3, Axis};
use protoseg::{Fault, MeanSa};

use crate::gate::{Confidence, EstimatedDice, QcInputs};

/// The mask of one image with its scores, on the image's own grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// `[K, height, width]`: the probability of each object class, in [0, 1].
    pub probability: Array3<f32>,
    /// `[height, width]`: 0 background, k object class k.
    pub labels: Array2<u8>,
    /// The mean SA score and every unit's score, or the fault that leaves them undefined.
    pub mean_sa: MeanSa,
    /// Confidence of the probabilities in the labels; NaN where mu is not finite.
    pub confidence: Confidence,
    /// The quality score, where the calibration has one.
    pub score: Option<Score>,
    /// SA scores of the layers of mu.
    pub layers: Vec<LayerScore>,
    /// Whether the input lies within the size and intensity range of the model's manifest.
    pub input_in_range: bool,
}

/// The quality score of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// In [0, 1]; 0 where the output is empty or full, NaN where mu is not finite.
    pub value: f64,
    /// The estimated Dice, where the calibration had ground truth and the output is neither empty nor full.
    pub estimated_dice: Option<EstimatedDice>,
}

/// Agreement of a layer with the network's output.
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
        // Chunks of 128 keep the count within a byte, so that the compiler uses byte-wide vectors.
        let count = |chunk: &[u8]| chunk.iter().map(|&label| u8::from(label > 0)).sum::<u8>();
        let labels = self.labels.as_standard_layout();
        let labels = labels.as_slice().expect("standard layout is one slice");
        let objects: u64 = labels.chunks(128).map(|chunk| u64::from(count(chunk))).sum();
        objects as f64 / self.labels.len().max(1) as f64
    }

    /// The inputs of the gate's decision.
    pub fn qc_inputs(&self) -> QcInputs {
        let fault = self.mean_sa.fault;
        QcInputs {
            // `mean_sa.mu` is 0 for an output that is not finite; the gate must reject it as NOT_FINITE.
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
            let (mut intersection, mut total) = (0u64, 0u64);
            for (&predicted, &expected) in labels.iter().zip(truth) {
                intersection += u64::from(predicted == class && expected == class);
                total += u64::from(predicted == class) + u64::from(expected == class);
            }
            (total > 0).then(|| 2.0 * intersection as f64 / total as f64)
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
        let p = |class: usize| probability[[class, row, column]];
        let background = 1.0 - (0..classes).map(p).sum::<f32>();
        let mut best = (background, 0);
        for class in 0..classes {
            if p(class) > best.0 {
                best = (p(class), class as u8 + 1);
            }
        }
        best.1
    })
}
