//! What the operator wants of the gate, and what a request may ask of it.

use serde::{Deserialize, Serialize};

/// Which score the gate judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The mean SA score mu (eq. 12).
    #[default]
    Mu,
    /// The rehearsed score; of a model that has none, nothing passes.
    Score,
}

/// How the gate is set. The operator's settings make one; [`Policy::with_request`] narrows it to one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Which score is held against the threshold.
    pub by: By,
    /// Share of images like the calibration's that shall pass, 0..=1. `None`: the coverage in the calibration.
    pub coverage: Option<f64>,
    /// A threshold on the score that is judged, used in place of the coverage's.
    pub threshold: Option<f64>,
    /// Lowest and highest coverage that a request may ask for.
    pub allowed_coverage: [f64; 2],
    /// Lowest and highest threshold that a request may ask for.
    pub allowed_threshold: [f64; 2],
    /// Whether an image with an empty or a full prediction passes; mu says nothing of either, so no threshold is
    /// asked (but at coverage 0 none passes).
    pub accept_empty: bool,
    /// Whether an image may pass where the model has no calibration: with a threshold when that reaches it, without
    /// one when it is finite.
    pub accept_uncalibrated: bool,
}

impl Default for Policy {
    /// The calibration's coverage, every request allowed, and what cannot be judged rejected.
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

/// A request for more than is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// Outside of what the settings allow, or no number.
    #[error("{field} is {value}: it must lie from {} to {} (setting gate.allowed_{field})", allowed[0], allowed[1])]
    OutOfRange {
        /// `coverage` or `threshold`.
        field: &'static str,
        /// What was asked for.
        value: f64,
        /// What is allowed.
        allowed: [f64; 2],
    },
    /// Coverage and threshold at once.
    #[error(
        "coverage {coverage} and threshold {threshold} were both asked for: one of them sets the gate, leave out the other"
    )]
    Both {
        /// The coverage asked for.
        coverage: f64,
        /// The threshold asked for.
        threshold: f64,
    },
}

impl Policy {
    /// This policy with what a request asks for, if anything.
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
