//! The gate (section 4.6 of the paper): lets an image through or hands it to a human, by its mean SA score mu.
//!
//! [`Calibration`] holds mu of images that the model is known to fit, and turns a coverage into a threshold. [`Policy`]
//! is what the operator and the request want. [`decide`] brings both to the [`Evidence`] of one image and fails closed:
//! what cannot be judged is rejected, with a [`Reason`]. [`UnitScores`] keeps what every unit said of each calibration
//! image, so that other scores can be fitted later without the images.

mod calibration;
mod decision;
mod evaluation;
mod policy;
mod unit_scores;

pub use calibration::{Calibration, CalibrationError, Entry, FORMAT};
pub use decision::{Decision, Evidence, Reason, decide};
pub use evaluation::{dice_at_coverage, spearman};
pub use policy::{Policy, PolicyError};
pub use unit_scores::{UnitScores, UnitScoresError};
