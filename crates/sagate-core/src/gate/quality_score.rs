//! The quality score: a ridge regression on features of one forward pass, fitted by perturbation calibration.

use ndarray::{Array1, Array2, ArrayViewMut1, Axis};

use super::evaluation::percentile;
use super::{Confidence, Shape};

/// Ridge penalty on the squared weights of standardised features.
const PENALTY: f64 = 10.0;

/// Features are clipped to these quantiles of the calibration samples.
const CLIP_QUANTILES: [f64; 2] = [0.005, 0.995];

/// The fewest samples, perturbed copies included, that a score is fitted on.
pub const MIN_SAMPLES: usize = 40;

/// The features of one image, from the forward pass that gave its mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureVector<'a> {
    /// SA score of each unit of mu's layers (eq. 8), each 0..=1; of several classes the mean.
    pub units: &'a [f64],
    /// Confidence of the probability map in the mask.
    pub confidence: Confidence,
    /// The mask's shape.
    pub shape: Shape,
}

impl FeatureVector<'_> {
    /// The regressors: the units, both confidences and their logits, the three shape descriptors.
    fn values(&self) -> Vec<f64> {
        let Confidence { soft_dice, object } = self.confidence;
        let Shape {
            area,
            roughness,
            spread,
        } = self.shape;
        let global = [
            soft_dice,
            object,
            logit(soft_dice),
            logit(object),
            area,
            roughness,
            spread,
        ];
        [self.units, &global].concat()
    }
}

/// Features besides the units.
const GLOBAL_FEATURES: usize = 7;

fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-3, 1.0 - 1e-3);
    (p / (1.0 - p)).ln()
}

/// The quality score: predicted self-consistency times the squared mean confidence inside the object.
///
/// Predicted self-consistency is the Dice between the network's output on an image and its output on the unperturbed image, as
/// ridge regression on a [`FeatureVector`] estimates it. The confidence adds what the network doubts in unperturbed images.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QualityScore {
    low: Vec<f64>,
    high: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
}

impl QualityScore {
    /// Fits the regression to samples of original and perturbed images, each with the Dice of its output with the output on the
    /// original (1 for the original itself). `None` where there are fewer than [`MIN_SAMPLES`], where they differ in their number of
    /// units, or where a value is not finite.
    pub fn fit(samples: &[(FeatureVector<'_>, f64)]) -> Option<QualityScore> {
        let rows: Vec<Vec<f64>> = samples.iter().map(|(features, _)| features.values()).collect();
        let width = rows.first()?.len();
        let finite = |row: &Vec<f64>| row.len() == width && row.iter().all(|value| value.is_finite());
        if rows.len() < MIN_SAMPLES
            || !rows.iter().all(finite)
            || samples.iter().any(|(_, dice)| !dice.is_finite())
        {
            return None;
        }
        let mut table = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column]);
        let bound = |share: f64| -> Vec<f64> {
            table
                .columns()
                .into_iter()
                .map(|column| {
                    let mut column = column.to_vec();
                    column.sort_by(f64::total_cmp);
                    percentile(&column, share)
                })
                .collect()
        };
        let [low, high] = CLIP_QUANTILES.map(bound);
        for row in table.rows_mut() {
            clip(row, &low, &high);
        }
        let mean = table.mean_axis(Axis(0))?;
        let deviation = table.std_axis(Axis(0), 0.0).mapv(|deviation| deviation.max(1e-6));
        let standardised = (&table - &mean) / &deviation;
        let dice: Array1<f64> = samples.iter().map(|(_, dice)| *dice).collect();
        let mean_dice = dice.mean()?;
        let weights = ridge(&standardised, &(dice - mean_dice)) / &deviation;
        Some(QualityScore {
            offset: mean_dice - weights.dot(&mean),
            low,
            high,
            weights: weights.to_vec(),
        })
    }

    /// The number of units that its feature vectors must have.
    pub fn units(&self) -> usize {
        self.weights.len() - GLOBAL_FEATURES
    }

    /// Whether its parts are consistent and finite; what was read from a file may not be.
    pub fn is_sound(&self) -> bool {
        let width = self.weights.len();
        let finite =
            |values: &Vec<f64>| values.len() == width && values.iter().all(|value| value.is_finite());
        width >= GLOBAL_FEATURES
            && [&self.low, &self.high, &self.weights].into_iter().all(finite)
            && self.offset.is_finite()
            && self.low.iter().zip(&self.high).all(|(low, high)| low <= high)
    }

    /// The quality score of an image, 0..=1; NaN where a feature is not finite.
    ///
    /// # Panics
    /// Where the number of units is not the score's.
    pub fn score(&self, features: &FeatureVector<'_>) -> f64 {
        self.self_consistency(features) * features.confidence.object.powi(2)
    }

    /// Predicted self-consistency: the estimated Dice, 0..=1, between the output and the output on the unperturbed image; NaN where a
    /// feature is not finite.
    ///
    /// # Panics
    /// As [`QualityScore::score`].
    pub fn self_consistency(&self, features: &FeatureVector<'_>) -> f64 {
        let values = features.values();
        assert_eq!(
            values.len(),
            self.weights.len(),
            "the features have the score's units"
        );
        if values.iter().any(|value| !value.is_finite()) {
            return f64::NAN;
        }
        let bounds = self.low.iter().zip(&self.high);
        let clipped = values
            .iter()
            .zip(bounds)
            .map(|(value, (&low, &high))| value.clamp(low, high));
        let sum: f64 = clipped
            .zip(&self.weights)
            .map(|(value, weight)| value * weight)
            .sum();
        (self.offset + sum).clamp(0.0, 1.0)
    }
}

fn clip(row: ArrayViewMut1<'_, f64>, low: &[f64], high: &[f64]) {
    for (value, (&low, &high)) in row.into_iter().zip(low.iter().zip(high)) {
        *value = value.clamp(low, high);
    }
}

/// The weights `w` that minimise `|X w - y|^2 + PENALTY |w|^2`, by conjugate gradients on the normal equations: exact up to rounding
/// after as many iterations as there are weights.
fn ridge(x: &Array2<f64>, y: &Array1<f64>) -> Array1<f64> {
    let normal_matrix_times = |w: &Array1<f64>| x.t().dot(&x.dot(w)) + w * PENALTY;
    let mut weights = Array1::zeros(x.ncols());
    let mut residual = x.t().dot(y);
    let mut direction = residual.clone();
    let mut residual_norm_sq = residual.dot(&residual);
    let tolerance = residual_norm_sq * 1e-24;
    for _ in 0..2 * x.ncols() {
        if residual_norm_sq <= tolerance {
            break;
        }
        let a_direction = normal_matrix_times(&direction);
        let alpha = residual_norm_sq / direction.dot(&a_direction);
        weights.scaled_add(alpha, &direction);
        residual.scaled_add(-alpha, &a_direction);
        let next_norm_sq = residual.dot(&residual);
        let beta = next_norm_sq / residual_norm_sq;
        direction = &residual + &(&direction * beta);
        residual_norm_sq = next_norm_sq;
    }
    weights
}
