//! One image, one decision.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{By, Calibration, Policy};

/// What is known of one image after the network and the scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QcInputs {
    /// Mean SA score; 0 where the prediction is empty or full.
    pub mu: f64,
    /// The rehearsed score, where the model has one.
    pub score: Option<f64>,
    /// The network found no object pixel.
    pub empty: bool,
    /// The network found nothing but object.
    pub full: bool,
    /// The input lies within what the model's manifest says it is for.
    pub input_in_range: bool,
}

/// Why an image was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The score that is judged, mu by default, is below the threshold.
    BelowThreshold,
    /// The network found no object pixel, so mu has no meaning.
    EmptyPrediction,
    /// The network found nothing but object, so mu has no meaning.
    FullPrediction,
    /// The score that is judged, and so something in the network, is NaN or infinite.
    NotFinite,
    /// The model has no calibration, or none of the score that is judged, so there is no threshold to trust.
    NotCalibrated,
    /// The input lies outside of what the model is for.
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

/// What the gate says of one image. In JSON, numbers that are not finite are `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Whether the image passes. True exactly when there is no reason against it.
    pub accept: bool,
    /// The mean SA score.
    pub mu: f64,
    /// Which score was judged.
    pub by: By,
    /// The threshold that applied; minus infinity at coverage 1, plus infinity at coverage 0; `None` where there was
    /// none (no calibration).
    pub threshold: Option<f64>,
    /// The coverage that gave the threshold; `None` where the threshold was asked for as such or there is none.
    pub coverage: Option<f64>,
    /// Everything that speaks against the image.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// `ACCEPT` or `REJECT`.
    pub fn word(&self) -> &'static str {
        if self.accept { "ACCEPT" } else { "REJECT" }
    }
}

/// Decides on one image. Fails closed: an image passes only when the score that is judged (mu, or the rehearsed score)
/// is finite and reaches a threshold that a calibration
/// stands behind, the input is what the model is for, and the prediction is neither empty nor full; the policy may waive
/// the calibration and the last, nothing else.
pub fn decide(evidence: &QcInputs, calibration: Option<&Calibration>, policy: &Policy) -> Decision {
    let (threshold, coverage) = match (policy.threshold, calibration) {
        (Some(threshold), _) => (Some(threshold), None),
        (None, Some(calibration)) => {
            let coverage = policy.coverage.unwrap_or(calibration.coverage);
            (calibration.threshold_by(policy.by, coverage), Some(coverage))
        }
        (None, None) => (None, None),
    };
    let judged = match policy.by {
        By::Mu => Some(evidence.mu),
        By::Score => evidence.score,
    };
    let finite = evidence.mu.is_finite() && judged.is_none_or(f64::is_finite);
    let unscored = evidence.empty || evidence.full;
    // An empty or full prediction has no mu to compare; where the policy lets it pass, only "nothing passes" stops it.
    // Coverage 0 stops everything, with or without a calibration.
    let closed = threshold == Some(f64::INFINITY)
        || threshold.is_some_and(f64::is_nan)
        || (threshold.is_none()
            && policy
                .coverage
                .is_some_and(|coverage| coverage.is_nan() || coverage <= 0.0));
    let reaches =
        unscored || threshold.is_none_or(|threshold| judged.is_some_and(|judged| judged >= threshold));
    let against = |reason: Reason| match reason {
        Reason::NotFinite => !finite,
        Reason::InputOutOfRange => !evidence.input_in_range,
        Reason::EmptyPrediction => evidence.empty && !policy.accept_empty,
        Reason::FullPrediction => evidence.full && !policy.accept_empty,
        // Without the score that is to be judged there is nothing that a waiver could go by.
        Reason::NotCalibrated => judged.is_none() || (calibration.is_none() && !policy.accept_uncalibrated),
        Reason::BelowThreshold => finite && (closed || !reaches),
    };
    let reasons: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|&reason| against(reason))
        .collect();
    Decision {
        accept: reasons.is_empty(),
        mu: evidence.mu,
        by: policy.by,
        threshold,
        coverage,
        reasons,
    }
}
