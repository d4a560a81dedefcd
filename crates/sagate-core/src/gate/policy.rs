//! The gate's policy: the operator's settings, and the overrides that a request may set.

use serde::{Deserialize, Serialize};

/// Which score the gate compares with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The mean SA score mu (eq. 12).
    #[default]
    Mu,
    /// The quality score; a model without one accepts nothing.
    Score,
}

/// The gate's parameters. The operator's settings give the defaults; [`Policy::with_request`] applies those of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Which score is compared with the threshold.
    pub by: By,
    /// Share of images like the calibration's to accept, 0..=1. `None`: the calibration's default coverage.
    pub coverage: Option<f64>,
    /// A threshold on the gate's score, which replaces the coverage.
    pub threshold: Option<f64>,
    /// Lowest and highest coverage that a request may set.
    pub allowed_coverage: [f64; 2],
    /// Lowest and highest threshold that a request may set.
    pub allowed_threshold: [f64; 2],
    /// Whether an image with an empty or a full prediction passes. mu is undefined for both, so no threshold applies (but at coverage 0
    /// none passes).
    pub accept_empty: bool,
    /// Whether an image may pass where the model has no calibration: if the score reaches the threshold where one is set, otherwise if
    /// it is finite.
    pub accept_uncalibrated: bool,
}

impl Default for Policy {
    /// The calibration's coverage, every coverage and threshold allowed in requests, no waivers.
    fn default() -> Self {
        Policy {
            by: By::Mu,
            coverage: None,
            threshold: None,
            allowed_coverage: [0.0, 1.0],
            allowed_threshold: [0.0, 1.0],
            accept_empty: false,
            accept_uncalibrated: false,
        }
    }
}

/// Why a request's coverage or threshold was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// Outside the allowed range, or NaN.
    #[error("{field} is {value}: it must lie from {} to {} (setting gate.allowed_{field})", allowed[0], allowed[1])]
    OutOfRange {
        /// `coverage` or `threshold`.
        field: &'static str,
        /// The requested value.
        value: f64,
        /// The allowed range.
        allowed: [f64; 2],
    },
    /// Coverage and threshold at once.
    #[error(
        "coverage {coverage} and threshold {threshold} were both asked for: one of them sets the gate, leave out the other"
    )]
    Both {
        /// The requested coverage.
        coverage: f64,
        /// The requested threshold.
        threshold: f64,
    },
}

impl Policy {
    /// This policy with a request's coverage or threshold, if it has one.
    ///
    /// # Errors
    /// A coverage or threshold outside of the allowed range, or both at once.
    pub fn with_request(&self, coverage: Option<f64>, threshold: Option<f64>) -> Result<Policy, PolicyError> {
        let within = |field, value: f64, allowed: [f64; 2]| {
            if (allowed[0]..=allowed[1]).contains(&value) {
                Ok(Some(value))
            } else {
                Err(PolicyError::OutOfRange {
                    field,
                    value,
                    allowed,
                })
            }
        };
        match (coverage, threshold) {
            (None, None) => Ok(*self),
            (Some(coverage), None) => {
                let coverage = within("coverage", coverage, self.allowed_coverage)?;
                Ok(Policy {
                    coverage,
                    threshold: None,
                    ..*self
                })
            }
            (None, Some(threshold)) => {
                let threshold = within("threshold", threshold, self.allowed_threshold)?;
                Ok(Policy {
                    coverage: None,
                    threshold,
                    ..*self
                })
            }
            (Some(coverage), Some(threshold)) => Err(PolicyError::Both { coverage, threshold }),
        }
    }
}
