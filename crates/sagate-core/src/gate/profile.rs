//! The profile of an image: what every unit of mu says of it, and how usual that is.
//!
//! mu is the mean over all units. Two things are lost in it. Some units tell object from background on hardly any image: they
//! add noise. And some damage makes units agree *more* with the output than they do on any good image, so that a high mean is as
//! suspect as a low one. A profile fitted on calibration images, without any truth, knows both.

use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Units whose mean SA score over the calibration images is at least this share of the best unit's count as reliable.
const RELIABLE: f64 = 0.8;

/// Profiles of fewer calibration images are no distribution.
pub const MIN_IMAGES: usize = 5;

/// What the units' SA scores usually are: their mean and covariance over calibration images.
#[derive(Debug, Clone)]
pub struct UnitProfile {
    mean: Array1<f64>,
    /// Inverse of the covariance.
    precision: Array2<f64>,
    /// Share of the target in the covariance, 0..=1.
    shrinkage: f64,
    reliable: Vec<usize>,
}

impl UnitProfile {
    /// From the SA scores of calibration images `[images, units]`, each 0..=1. `None` where there are fewer than
    /// [`MIN_IMAGES`] images or no unit, or a score is not finite.
    ///
    /// With few images and many units the empirical covariance has no inverse: it is shrunk towards a multiple of the identity
    /// by the share that Ledoit and Wolf (2004) derive.
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

    /// How many units there are.
    pub fn units(&self) -> usize {
        self.mean.len()
    }

    /// The units that are reliable, by number.
    pub fn reliable(&self) -> &[usize] {
        &self.reliable
    }

    /// The share of the target in the covariance, 0..=1.
    pub fn shrinkage(&self) -> f64 {
        self.shrinkage
    }

    /// The mean SA score over the reliable units, 0..=1.
    ///
    /// # Panics
    /// Where the scores are not of the profile's number of units.
    pub fn agreement(&self, units: &[f64]) -> f64 {
        assert_eq!(units.len(), self.units(), "a profile is of its units");
        self.reliable.iter().map(|&unit| units[unit]).sum::<f64>() / self.reliable.len() as f64
    }

    /// The squared Mahalanobis distance of an image's SA scores from those of the calibration images, at least 0.
    ///
    /// # Panics
    /// As [`UnitProfile::agreement`].
    pub fn distance(&self, units: &[f64]) -> f64 {
        assert_eq!(units.len(), self.units(), "a profile is of its units");
        let off = &ArrayView1::from(units) - &self.mean;
        off.dot(&self.precision.dot(&off)).max(0.0)
    }

    /// How usual the profile is, 0..=1: `exp(-distance / (3 N))` with the number of units N, so that the images of the
    /// calibration, whose distance is about N, keep about 0.7.
    ///
    /// # Panics
    /// As [`UnitProfile::agreement`].
    pub fn typicality(&self, units: &[f64]) -> f64 {
        (-self.distance(units) / (3.0 * self.units() as f64)).exp()
    }
}

/// The covariance of centred rows, shrunk towards a multiple of the identity, and the share of the latter (Ledoit and Wolf 2004).
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
    // Units that never differ would leave no inverse.
    let floor = Array2::<f64>::eye(units) * (scale * 1e-6).max(1e-12);
    (empirical * (1.0 - share) + target * share + floor, share)
}

/// The inverse of a symmetric positive definite matrix by its Cholesky factor; `None` where it is not positive definite.
fn inverse(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let size = matrix.nrows();
    let mut factor = Array2::<f64>::zeros((size, size));
    for row in 0..size {
        for column in 0..=row {
            let mut rest = matrix[[row, column]];
            for k in 0..column {
                rest -= factor[[row, k]] * factor[[column, k]];
            }
            factor[[row, column]] = if row != column {
                rest / factor[[column, column]]
            } else if rest > 0.0 {
                rest.sqrt()
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
            let known: f64 = (column..row).map(|k| factor[[row, k]] * lower[[k, column]]).sum();
            lower[[row, column]] = (unit - known) / factor[[row, row]];
        }
    }
    Some(lower.t().dot(&lower))
}
