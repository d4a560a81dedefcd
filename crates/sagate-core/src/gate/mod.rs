//! The gate (section 4.6 of the paper): accepts an image or refers it to a human, by its mean SA score mu or its quality score.
//!
//! - [`Calibration`]: mu on calibration images; turns a coverage into a threshold.
//! - [`Policy`]: what the operator's settings and the request ask for.
//! - [`decide`]: applies both to the [`QcInputs`] of one image. Fails closed: an image without a valid score is rejected with a
//!   [`Reason`].
//! - [`UnitScores`]: every unit's SA score on each calibration image, so that other scores can be fitted later without the images.
//! - [`QualityScore`]: a score learned by perturbation calibration; [`DiceEstimator`] maps it to an estimated Dice.
//! - [`evaluation`]: metrics of how well a score ranks images whose ground truth is known.

mod calibration;
mod confidence;
mod decision;
mod drift;
mod estimated_dice;
pub mod evaluation;
mod policy;
mod profile;
mod quality_score;
mod shape;
mod unit_scores;

pub use calibration::{Calibration, CalibrationError, Entry, FORMAT, ScoreCalibration};
pub use confidence::Confidence;
pub use decision::{Decision, QcInputs, Reason, decide};
pub use drift::{kolmogorov_smirnov, ks_critical_value};
pub use estimated_dice::{DiceEstimator, EstimatedDice, LabelledScore, MIN_LABELLED};
pub use policy::{By, Policy, PolicyError};
pub use profile::{MIN_IMAGES, UnitProfile};
pub use quality_score::{FeatureVector, MIN_SAMPLES, QualityScore};
pub use shape::Shape;
pub use unit_scores::{UnitScores, UnitScoresError};
