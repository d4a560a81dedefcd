//! The gate (section 4.6 of the paper): lets an image through or hands it to a human, by its mean SA score mu.
//!
//! [`Calibration`] holds mu of images that the model is known to fit, and turns a coverage into a threshold. [`Policy`]
//! is what the operator and the request want. [`decide`] brings both to the [`QcInputs`] of one image and fails closed:
//! what cannot be judged is rejected, with a [`Reason`]. [`UnitScores`] keeps what every unit said of each calibration
//! image, so that other scores can be fitted later without the images. [`evaluation`] has the metrics that scores are judged
//! with where the truth is known. [`RehearsedScore`] is a score beside mu that has learned what
//! failure looks like, and [`ExpectedDice`] says what Dice it promises.

mod calibration;
mod confidence;
mod decision;
mod drift;
pub mod evaluation;
mod expected_dice;
mod policy;
mod profile;
mod rehearsed;
mod shape;
mod unit_scores;

pub use calibration::{Calibration, CalibrationError, Entry, FORMAT, ScoreCalibration};
pub use confidence::Confidence;
pub use decision::{Decision, QcInputs, Reason, decide};
pub use drift::{kolmogorov_smirnov, ks_critical_value};
pub use expected_dice::{Expectation, ExpectedDice, LabelledScore, MIN_LABELLED};
pub use policy::{By, Policy, PolicyError};
pub use profile::{MIN_IMAGES, UnitProfile};
pub use rehearsed::{FeatureVector, MIN_SAMPLES, RehearsedScore};
pub use shape::Shape;
pub use unit_scores::{UnitScores, UnitScoresError};
