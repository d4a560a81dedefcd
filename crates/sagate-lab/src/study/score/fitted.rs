//! Scores that are fitted on the validation images.

use ndarray::{Array1, Array2, ArrayView1};
use protoseg::Metric;
use sagate_core::gate::UnitProfile;
use sagate_core::gate::evaluation::median;

use super::{Cost, Family, Score};
use crate::study::measure::OnePass;
use crate::study::record::{Record, Records};

/// Number of nearest neighbours.
const NEIGHBOURS: usize = 3;

/// The calibration profiles, for distances to them.
pub(super) struct Neighbours<'a> {
    rows: &'a Array2<f64>,
    /// The median squared distance between two of them.
    median_sq: f64,
}

impl<'a> Neighbours<'a> {
    pub fn new(rows: &'a Array2<f64>) -> Self {
        let pairwise = rows
            .rows()
            .into_iter()
            .enumerate()
            .flat_map(|(index, a)| (0..index).map(move |other| squared(a, rows.row(other))));
        Self {
            median_sq: median(pairwise).max(1e-12),
            rows,
        }
    }

    /// Mean Euclidean distance to the nearest profiles.
    pub fn distance(&self, units: &[f64]) -> f64 {
        let mut distances: Vec<f64> = self.squared_distances(units).map(f64::sqrt).collect();
        distances.sort_by(f64::total_cmp);
        let nearest = &distances[..NEIGHBOURS.min(distances.len())];
        nearest.iter().sum::<f64>() / nearest.len() as f64
    }

    /// Logarithm of a kernel density estimate (Parzen 1962), up to a constant: Gaussian kernels whose squared width is half the median
    /// squared distance between profiles.
    pub fn log_density(&self, units: &[f64]) -> f64 {
        let exponents: Vec<f64> = self
            .squared_distances(units)
            .map(|it| -it / self.median_sq)
            .collect();
        let most = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + exponents.iter().map(|it| (it - most).exp()).sum::<f64>().ln()
    }

    fn squared_distances(&self, units: &[f64]) -> impl Iterator<Item = f64> {
        self.rows
            .rows()
            .into_iter()
            .map(move |row| squared(row, ArrayView1::from(units)))
    }
}

fn squared(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Minus the Mahalanobis distance of the bottleneck's mean features from those of the training images.
pub(super) fn features(records: &Records) -> Option<Score> {
    let row = |record: &Record| {
        record
            .pass
            .pooled
            .iter()
            .map(|&value| f64::from(value))
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<f64>> = records.train.iter().map(row).collect();
    let channels = rows.first().map_or(0, Vec::len);
    let rows = Array2::from_shape_vec((rows.len(), channels), rows.concat()).ok()?;
    // The same fit as for unit scores: a mean and a shrunk covariance.
    let profile = UnitProfile::fit(&rows)?;
    Some(Score {
        id: "mahalanobis",
        name: "minus Mahalanobis distance of pooled features",
        family: Family::Features,
        cost: Cost::Pooling,
        values: records
            .test
            .iter()
            .map(|record| -profile.distance(&row(record)))
            .collect(),
    })
}

/// The Dice predicted by ridge regression on simple features, fitted on the validation images and their truth.
pub(super) fn regression(records: &Records) -> Option<Score> {
    let ridge = Ridge::fit(
        &records
            .validation
            .iter()
            .map(|record| simple(&record.pass))
            .collect::<Vec<_>>(),
        &records
            .validation
            .iter()
            .map(|record| Metric::Dice.score(record.pass.output))
            .collect::<Vec<_>>(),
    )?;
    Some(Score {
        id: "regression",
        name: "regression on simple features",
        family: Family::Labelled,
        cost: Cost::Map,
        values: records
            .test
            .iter()
            .map(|record| ridge.predict(&simple(&record.pass)))
            .collect(),
    })
}

/// Simple features of the probability map: size and confidence.
fn simple(pass: &OnePass) -> Vec<f64> {
    let certainty = &pass.certainty;
    vec![
        certainty.foreground,
        certainty.foreground.sqrt(),
        certainty.max_softmax,
        certainty.entropy_object,
        certainty.entropy_patch,
        pass.confidence.object,
        pass.confidence.soft_dice,
    ]
}

/// Ridge regression on standardised features.
struct Ridge {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    weights: Array1<f64>,
    offset: f64,
}

/// The penalty on squared weights, a share of the number of images.
const PENALTY: f64 = 0.05;

impl Ridge {
    fn fit(features: &[Vec<f64>], targets: &[f64]) -> Option<Ridge> {
        let (images, width) = (features.len(), features.first()?.len());
        let count = images as f64;
        let values = |column: usize| features.iter().map(move |row| row[column]);
        let mean: Vec<f64> = (0..width)
            .map(|column| values(column).sum::<f64>() / count)
            .collect();
        let deviation: Vec<f64> = (0..width)
            .map(|column| {
                (values(column).map(|v| (v - mean[column]).powi(2)).sum::<f64>() / count)
                    .sqrt()
                    .max(1e-9)
            })
            .collect();
        let offset = targets.iter().sum::<f64>() / count;
        let rows = Array2::from_shape_fn((images, width), |(image, column)| {
            (features[image][column] - mean[column]) / deviation[column]
        });
        let targets: Array1<f64> = targets.iter().map(|target| target - offset).collect();
        let mut weights = Array1::zeros(width);
        // Coordinate descent: there are few features, and no matrix needs to be inverted.
        for _ in 0..500 {
            for column in 0..width {
                let x = rows.column(column);
                let partial_residual = &targets - &rows.dot(&weights) + &(&x * weights[column]);
                weights[column] = x.dot(&partial_residual) / (x.dot(&x) + PENALTY * count);
            }
        }
        Some(Ridge {
            mean,
            deviation,
            weights,
            offset,
        })
    }

    fn predict(&self, features: &[f64]) -> f64 {
        let standardised = features
            .iter()
            .zip(&self.mean)
            .zip(&self.deviation)
            .map(|((v, mean), deviation)| (v - mean) / deviation);
        self.offset
            + standardised
                .zip(&self.weights)
                .map(|(v, weight)| v * weight)
                .sum::<f64>()
    }
}
