//! The distribution of the units' SA scores over calibration images, and how typical an image's scores are.
//!
//! mu is the mean over all units, which loses two things. Some units separate object from background on hardly any image and add
//! noise. And some corruptions make units agree *more* with the output than they do on any good image, so that a high mean is as suspect
//! as a low one. A profile fitted on calibration images, without ground truth, detects both.

use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Units whose mean SA score over the calibration images is at least this share of the best unit's count as reliable.
const RELIABLE: f64 = 0.8;

/// The fewest calibration images that a profile is fitted on.
pub const MIN_IMAGES: usize = 5;

/// Mean and covariance of the units' SA scores over calibration images.
#[derive(Debug, Clone)]
pub struct UnitProfile {
    mean: Array1<f64>,
    /// Inverse of the covariance.
    precision: Array2<f64>,
    /// Shrinkage intensity, 0..=1: the weight of the shrinkage target in the covariance.
    shrinkage: f64,
    reliable: Vec<usize>,
}

impl UnitProfile {
    /// Fits the SA scores of calibration images `[images, units]`, each 0..=1. `None` where there are fewer than [`MIN_IMAGES`] images
    /// or no unit, or a score is not finite.
    ///
    /// With few images and many units the empirical covariance is singular, so it is shrunk towards a multiple of the identity with the
    /// intensity of Ledoit and Wolf (2004).
    pub fn fit(scores: &Array2<f64>) -> Option<UnitProfile> {
        let (images, units) = scores.dim();
        if images < MIN_IMAGES || units == 0 || scores.iter().any(|score| !score.is_finite()) {
            return None;
        }
        let mean = scores.mean_axis(Axis(0))?;
        let centred = scores - &mean;
        let (covariance, shrinkage) = shrunk_covariance(&centred);
        let best = mean.iter().copied().fold(0.0, f64::max);
        let reliable = (0..units).filter(|&unit| mean[unit] >= RELIABLE * best);
        Some(UnitProfile {
            precision: inverse(&covariance)?,
            shrinkage,
            reliable: reliable.collect(),
            mean,
        })
    }

    /// The number of units.
    pub fn units(&self) -> usize {
        self.mean.len()
    }

    /// Indices of the reliable units.
    pub fn reliable(&self) -> &[usize] {
        &self.reliable
    }

    /// Shrinkage intensity of the covariance, 0..=1.
    pub fn shrinkage(&self) -> f64 {
        self.shrinkage
    }

    /// The mean SA score over the reliable units, 0..=1.
    ///
    /// # Panics
    /// Where the number of scores is not the number of units.
    pub fn agreement(&self, units: &[f64]) -> f64 {
        assert_eq!(units.len(), self.units(), "one score a unit");
        self.reliable.iter().map(|&unit| units[unit]).sum::<f64>() / self.reliable.len() as f64
    }

    /// The squared Mahalanobis distance of an image's SA scores from those of the calibration images, at least 0.
    ///
    /// # Panics
    /// As [`UnitProfile::agreement`].
    pub fn distance(&self, units: &[f64]) -> f64 {
        assert_eq!(units.len(), self.units(), "one score a unit");
        let centred = &ArrayView1::from(units) - &self.mean;
        centred.dot(&self.precision.dot(&centred)).max(0.0)
    }

    /// Typicality, 0..=1: `exp(-distance / (3 N))` with the number of units N. Calibration images, whose distance is about N, score
    /// about 0.7.
    ///
    /// # Panics
    /// As [`UnitProfile::agreement`].
    pub fn typicality(&self, units: &[f64]) -> f64 {
        (-self.distance(units) / (3.0 * self.units() as f64)).exp()
    }
}

/// The covariance of centred rows, shrunk towards a multiple of the identity, and the shrinkage intensity (Ledoit and Wolf 2004).
fn shrunk_covariance(centred: &Array2<f64>) -> (Array2<f64>, f64) {
    let (images, units) = (centred.nrows() as f64, centred.ncols());
    let empirical = centred.t().dot(centred) / images;
    let scale = empirical.diag().sum() / units as f64;
    let target = Array2::<f64>::eye(units) * scale;
    let apart = (&empirical - &target).mapv(|v| v * v).sum();
    // Of each row's outer product with itself: |z z' - S|^2 = |z|^4 - 2 z' S z + |S|^2.
    let own = empirical.mapv(|v| v * v).sum();
    let spread: f64 = centred
        .rows()
        .into_iter()
        .map(|row| row.dot(&row).powi(2) - 2.0 * row.dot(&empirical.dot(&row)) + own)
        .sum();
    let noise = (spread / (images * images)).clamp(0.0, apart);
    let share = if apart > 0.0 { noise / apart } else { 1.0 };
    // The floor keeps the matrix invertible where units are constant.
    let floor = Array2::<f64>::eye(units) * (scale * 1e-6).max(1e-12);
    (empirical * (1.0 - share) + target * share + floor, share)
}

/// The inverse of a symmetric positive definite matrix by its Cholesky factor; `None` where it is not positive definite.
fn inverse(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let size = matrix.nrows();
    let mut factor = Array2::<f64>::zeros((size, size));
    for row in 0..size {
        for column in 0..=row {
            let mut remainder = matrix[[row, column]];
            for k in 0..column {
                remainder -= factor[[row, k]] * factor[[column, k]];
            }
            factor[[row, column]] = if row != column {
                remainder / factor[[column, column]]
            } else if remainder > 0.0 {
                remainder.sqrt()
            } else {
                return None;
            };
        }
    }
    // The factor's inverse L^-1, column by column; then (L L')^-1 = L^-1' L^-1.
    let mut lower = Array2::<f64>::zeros((size, size));
    for column in 0..size {
        for row in column..size {
            let unit = if row == column { 1.0 } else { 0.0 };
            let solved: f64 = (column..row).map(|k| factor[[row, k]] * lower[[k, column]]).sum();
            lower[[row, column]] = (unit - solved) / factor[[row, row]];
        }
    }
    Some(lower.t().dot(&lower))
}
