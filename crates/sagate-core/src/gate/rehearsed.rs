//! The score that a rehearsal teaches.

use ndarray::{Array1, Array2, ArrayViewMut1, Axis};

use super::evaluation::percentile;
use super::{Confidence, Shape};

/// The ridge's penalty, as so many images that say nothing.
const PENALTY: f64 = 10.0;

/// Readings beyond these quantiles of the rehearsal's count as those.
const CLIP_QUANTILES: [f64; 2] = [0.005, 0.995];

/// The fewest images that a score is fitted on.
pub const MIN_SAMPLES: usize = 40;

/// What one forward pass says of an image, beside its mask.
#[derive(Debug, Clone, Copy)]
pub struct FeatureVector<'a> {
    /// SA score of each unit of mu's layers (eq. 8), each 0..=1; of several classes the mean.
    pub units: &'a [f64],
    /// How sure the probabilities are.
    pub confidence: Confidence,
    /// The mask's shape.
    pub shape: Shape,
}

impl FeatureVector<'_> {
    /// The numbers that a score is made of: the units, both confidences and their logits, the three numbers of the shape.
    fn numbers(&self) -> Vec<f64> {
        let Confidence { soft_dice, object } = self.confidence;
        let Shape {
            area,
            roughness,
            spread,
        } = self.shape;
        let rest = [
            soft_dice,
            object,
            logit(soft_dice),
            logit(object),
            area,
            roughness,
            spread,
        ];
        [self.units, &rest].concat()
    }
}

/// How many numbers a reading has beside its units.
const BESIDE_UNITS: usize = 7;

fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-3, 1.0 - 1e-3);
    (p / (1.0 - p)).ln()
}

/// A score fitted on a rehearsal: the Dice that the output is expected to have with the network's own output on the image
/// unspoilt, by ridge regression on a [`FeatureVector`], times the squared mean confidence inside the object, which knows what the
/// network doubts in an image that nobody spoilt.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RehearsedScore {
    low: Vec<f64>,
    high: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
}

impl RehearsedScore {
    /// From readings of spoilt and unspoilt images with their Dice to the output on the image unspoilt (1 for those). `None` where
    /// there are fewer than [`MIN_SAMPLES`], where they differ in their number of units, or where one is not finite.
    pub fn fit(readings: &[(FeatureVector<'_>, f64)]) -> Option<RehearsedScore> {
        let rows: Vec<Vec<f64>> = readings.iter().map(|(reading, _)| reading.numbers()).collect();
        let width = rows.first()?.len();
        let finite = |row: &Vec<f64>| row.len() == width && row.iter().all(|value| value.is_finite());
        if rows.len() < MIN_SAMPLES
            || !rows.iter().all(finite)
            || readings.iter().any(|(_, dice)| !dice.is_finite())
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
        let standard = (&table - &mean) / &deviation;
        let dice: Array1<f64> = readings.iter().map(|(_, dice)| *dice).collect();
        let usual = dice.mean()?;
        let weights = ridge(&standard, &(dice - usual)) / &deviation;
        Some(RehearsedScore {
            offset: usual - weights.dot(&mean),
            low,
            high,
            weights: weights.to_vec(),
        })
    }

    /// How many units its readings have.
    pub fn units(&self) -> usize {
        self.weights.len() - BESIDE_UNITS
    }

    /// Whether its parts fit each other and are finite: what is read from a file may not.
    pub fn is_sound(&self) -> bool {
        let width = self.weights.len();
        let finite =
            |values: &Vec<f64>| values.len() == width && values.iter().all(|value| value.is_finite());
        width >= BESIDE_UNITS
            && [&self.low, &self.high, &self.weights].into_iter().all(finite)
            && self.offset.is_finite()
            && self.low.iter().zip(&self.high).all(|(low, high)| low <= high)
    }

    /// The score of an image, 0..=1; NaN where its reading is not finite.
    ///
    /// # Panics
    /// Where the reading is not of the score's number of units.
    pub fn of(&self, reading: &FeatureVector<'_>) -> f64 {
        self.steadiness(reading) * reading.confidence.object.powi(2)
    }

    /// The Dice, 0..=1, that the output is expected to have with the output on the image as it would be unspoilt: the score's first
    /// factor.
    ///
    /// # Panics
    /// As [`RehearsedScore::of`].
    pub fn steadiness(&self, reading: &FeatureVector<'_>) -> f64 {
        let numbers = reading.numbers();
        assert_eq!(numbers.len(), self.weights.len(), "a score is of its units");
        if numbers.iter().any(|value| !value.is_finite()) {
            return f64::NAN;
        }
        let bounds = self.low.iter().zip(&self.high);
        let usual = numbers
            .iter()
            .zip(bounds)
            .map(|(value, (&low, &high))| value.clamp(low, high));
        let sum: f64 = usual
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

/// The weights `w` that make `|X w - y|^2 + PENALTY |w|^2` least, by conjugate gradients on the normal equations: exact but for
/// rounding after as many steps as there are weights.
fn ridge(rows: &Array2<f64>, targets: &Array1<f64>) -> Array1<f64> {
    let times = |w: &Array1<f64>| rows.t().dot(&rows.dot(w)) + w * PENALTY;
    let mut weights = Array1::zeros(rows.ncols());
    let mut rest = rows.t().dot(targets);
    let mut direction = rest.clone();
    let mut size = rest.dot(&rest);
    let enough = size * 1e-24;
    for _ in 0..2 * rows.ncols() {
        if size <= enough {
            break;
        }
        let image = times(&direction);
        let step = size / direction.dot(&image);
        weights.scaled_add(step, &direction);
        rest.scaled_add(-step, &image);
        let next = rest.dot(&rest);
        direction = &rest + &(&direction * (next / size));
        size = next;
    }
    weights
}
