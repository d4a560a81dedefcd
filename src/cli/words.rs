//! Formatting of scores, thresholds and reasons.

use sagate_core::gate::{Decision, EstimatedDice};

/// A threshold.
pub fn threshold(threshold: Option<f64>) -> String {
    match threshold {
        None => "-".into(),
        Some(threshold) if threshold == f64::INFINITY => "none passes".into(),
        Some(threshold) if threshold == f64::NEG_INFINITY => "all pass".into(),
        Some(threshold) => format!("{threshold:.3}"),
    }
}

/// A score, `-` if it is not finite.
pub fn score(score: f64) -> String {
    if score.is_finite() {
        format!("{score:.3}")
    } else {
        "-".into()
    }
}

/// The estimated Dice, `-` if there is none.
pub fn estimated_dice(dice: Option<EstimatedDice>) -> String {
    dice.map_or_else(
        || "-".into(),
        |EstimatedDice { value, low, high }| format!("{value:.2} ({low:.2} to {high:.2})"),
    )
}

/// The reasons of a decision.
pub fn reasons(decision: &Decision) -> String {
    let words: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
    words.join(" ")
}
