//! Section `gate`.

use config::{Value, ValueKind};
use sagate_core::gate::{By, Policy};

use crate::config::rule::{Rule, one_of, share_range, switch};
use crate::config::section::section;
use crate::config::value::{Setting, named_settings};

/// How a file says that the calibration names the coverage.
const CALIBRATED: &str = "calibrated";

section! {
    /// The gate: which images are accepted, and what a request may change about it.
    pub struct GateSettings: "gate" {
        /// The score that is compared with the threshold: mu, or the quality score. By the latter, a model that has none accepts
        /// nothing.
        by: By = "mu", one_of();
        /// Coverage: the share of images like the calibration images that shall pass, from 0 (none) to 1 (all that can be
        /// scored), or `"calibrated"`: the coverage that the model was calibrated with.
        coverage: Option<f64> = "calibrated", Rule::new(
            "\"calibrated\" or a number from 0 to 1",
            |coverage: &Option<f64>| coverage.is_none_or(|it| (0.0..=1.0).contains(&it)),
        );
        /// Lowest and highest coverage that a request may ask for.
        allowed_coverage: [f64; 2] = [0.0, 1.0], share_range("[0.5, 1.0]");
        /// Lowest and highest threshold that a request may ask for.
        allowed_threshold: [f64; 2] = [0.0, 1.0], share_range("[0.0, 1.0]");
        /// Whether an image with an empty mask, or a mask that covers everything, may pass. mu is undefined for both.
        accept_empty: bool = false, switch();
        /// Whether a model without a calibration may accept images.
        accept_uncalibrated: bool = false, switch();
    }
}

impl GateSettings {
    /// What the gate is asked for when a request asks for nothing.
    pub fn policy(&self) -> Policy {
        Policy {
            by: self.by,
            coverage: self.coverage,
            threshold: None,
            allowed_coverage: self.allowed_coverage,
            allowed_threshold: self.allowed_threshold,
            accept_empty: self.accept_empty,
            accept_uncalibrated: self.accept_uncalibrated,
        }
    }
}

named_settings!(By);

/// A number, or the word `calibrated` for `None`.
impl Setting for Option<f64> {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::String(text) if text.trim() == CALIBRATED => Some(None),
            _ => f64::read(value).map(Some),
        }
    }
    fn shown(&self) -> toml::Value {
        self.map_or(CALIBRATED.into(), toml::Value::from)
    }
}
