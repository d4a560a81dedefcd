//! The decision on one image: ACCEPT or REJECT with reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{By, Calibration, Policy};

/// What the gate decides on: the scores of one image and its faults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QcInputs {
    /// Mean SA score; 0 where the prediction is empty or full.
    pub mu: f64,
    /// The quality score, where the model has one.
    pub score: Option<f64>,
    /// The prediction has no object pixel.
    pub empty: bool,
    /// The prediction has no background pixel.
    pub full: bool,
    /// The input lies within the size and intensity range of the model's manifest.
    pub input_in_range: bool,
}

/// Why an image was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The gate's score, mu by default, is below the threshold.
    BelowThreshold,
    /// The prediction has no object pixel, so mu is undefined.
    EmptyPrediction,
    /// The prediction has no background pixel, so mu is undefined.
    FullPrediction,
    /// mu or the gate's score is NaN or infinite.
    NotFinite,
    /// The model has no calibration, or none for the gate's score, so there is no threshold.
    NotCalibrated,
    /// The input lies outside the size or intensity range of the model's manifest.
    InputOutOfRange,
}

impl Reason {
    /// Every reason, in the order in which a decision lists them.
    pub const ALL: [Reason; 6] = [
        Reason::NotFinite,
        Reason::InputOutOfRange,
        Reason::EmptyPrediction,
        Reason::FullPrediction,
        Reason::NotCalibrated,
        Reason::BelowThreshold,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::BelowThreshold => "BELOW_THRESHOLD",
            Reason::EmptyPrediction => "EMPTY_PREDICTION",
            Reason::FullPrediction => "FULL_PREDICTION",
            Reason::NotFinite => "NOT_FINITE",
            Reason::NotCalibrated => "NOT_CALIBRATED",
            Reason::InputOutOfRange => "INPUT_OUT_OF_RANGE",
        })
    }
}

/// The gate's decision on one image. In JSON, numbers that are not finite are `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Whether the image passes. True exactly when there is no reason against it.
    pub accept: bool,
    /// The mean SA score.
    pub mu: f64,
    /// Which score was compared with the threshold.
    pub by: By,
    /// The threshold that applied; minus infinity at coverage 1, plus infinity at coverage 0; `None` without a calibration.
    pub threshold: Option<f64>,
    /// The coverage that gave the threshold; `None` where the threshold was requested directly or there is none.
    pub coverage: Option<f64>,
    /// Every reason for rejection; empty where the image is accepted.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// `ACCEPT` or `REJECT`.
    pub fn word(&self) -> &'static str {
        if self.accept { "ACCEPT" } else { "REJECT" }
    }
}

/// Decides on one image. Fails closed: an image passes only when the gate's score (mu, or the quality score) is finite and reaches a
/// calibrated threshold, the input is in range, and the prediction is neither empty nor full. The policy may waive the calibration and
/// the check for empty and full predictions, nothing else.
pub fn decide(inputs: &QcInputs, calibration: Option<&Calibration>, policy: &Policy) -> Decision {
    let (threshold, coverage) = match (policy.threshold, calibration) {
        (Some(threshold), _) => (Some(threshold), None),
        (None, Some(calibration)) => {
            let coverage = policy.coverage.unwrap_or(calibration.coverage);
            (calibration.threshold_by(policy.by, coverage), Some(coverage))
        }
        (None, None) => (None, None),
    };
    let score = match policy.by {
        By::Mu => Some(inputs.mu),
        By::Score => inputs.score,
    };
    let finite = inputs.mu.is_finite() && score.is_none_or(f64::is_finite);
    let unscored = inputs.empty || inputs.full;
    // An empty or full prediction has no mu to compare; where the policy accepts it, only coverage 0 rejects it.
    // Coverage 0 rejects everything, with or without a calibration.
    let closed = threshold == Some(f64::INFINITY)
        || threshold.is_some_and(f64::is_nan)
        || (threshold.is_none()
            && policy
                .coverage
                .is_some_and(|coverage| coverage.is_nan() || coverage <= 0.0));
    let reaches = unscored || threshold.is_none_or(|threshold| score.is_some_and(|score| score >= threshold));
    let against = |reason: Reason| match reason {
        Reason::NotFinite => !finite,
        Reason::InputOutOfRange => !inputs.input_in_range,
        Reason::EmptyPrediction => inputs.empty && !policy.accept_empty,
        Reason::FullPrediction => inputs.full && !policy.accept_empty,
        // The waiver covers a missing calibration, not a missing score.
        Reason::NotCalibrated => score.is_none() || (calibration.is_none() && !policy.accept_uncalibrated),
        Reason::BelowThreshold => finite && (closed || !reaches),
    };
    let reasons: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|&reason| against(reason))
        .collect();
    Decision {
        accept: reasons.is_empty(),
        mu: inputs.mu,
        by: policy.by,
        threshold,
        coverage,
        reasons,
    }
}
