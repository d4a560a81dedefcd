//! Drift of mu from the calibration, from the window's histogram.

use sagate_core::gate::{Calibration, kolmogorov_smirnov, ks_critical_value};

use super::window::MU_BINS;

/// mu of the calibration images, in the window's bins.
pub(super) struct Reference {
    bins: Vec<f64>,
}

/// Drift of mu.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Drift {
    /// Kolmogorov-Smirnov distance, in [0, 1]. Binning makes it slightly too small, never too large.
    pub(super) distance: f64,
    /// Critical value at the 5 % level for independent images.
    pub(super) critical: f64,
}

impl Reference {
    pub(super) fn new(calibration: &Calibration) -> Reference {
        let bin = |mu: f64| ((mu.max(0.0) * MU_BINS as f64) as usize).min(MU_BINS - 1) as f64;
        Reference {
            bins: calibration.entries.iter().map(|entry| bin(entry.mu)).collect(),
        }
    }

    /// `None` where the window has no mu.
    pub(super) fn drift(&self, histogram: &[u64; MU_BINS]) -> Option<Drift> {
        let window: Vec<f64> = (0..MU_BINS)
            .flat_map(|bin| std::iter::repeat_n(bin as f64, histogram[bin] as usize))
            .collect();
        Some(Drift {
            distance: kolmogorov_smirnov(&self.bins, &window)?,
            critical: ks_critical_value(self.bins.len(), window.len()),
        })
    }
}
