//! The output of `sagate segment`.

use sagate_core::gate::{Decision, EstimatedDice};
use serde::Serialize;

use crate::cli::subject::Subject;
use crate::cli::{out, words};
use crate::config::Settings;

/// The row of one image.
#[derive(Debug, Serialize)]
pub struct Row {
    pub image: String,
    #[serde(flatten)]
    pub decision: Decision,
    /// `ACCEPT` or `REJECT`.
    pub verdict: &'static str,
    /// Soft Dice confidence.
    pub soft_dice_confidence: f64,
    /// Object confidence.
    pub object_confidence: f64,
    /// The quality score, if the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The estimated Dice, if the calibration has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_dice: Option<EstimatedDice>,
    /// Share of the image's pixels that are object.
    pub object_fraction: f64,
    /// Dice against the true mask, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dice: Option<f64>,
    /// Why there is no score.
    pub fault: Option<String>,
    pub milliseconds: f64,
    /// The files of its mask.
    pub mask: Vec<String>,
}

/// A failed file.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub file: String,
    pub error: String,
}

/// Prints the rows and the number of failed files.
///
/// # Errors
/// Stdout cannot be written.
pub fn print(
    subject: &Subject,
    rows: &[Row],
    failures: &[Failure],
    settings: &Settings,
) -> anyhow::Result<()> {
    if settings.json() {
        return out::json(&serde_json::json!({
            "model": subject.reference, "model_hash": subject.hash, "images": rows, "failed": failures,
        }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let with_truth = rows.iter().any(|row| row.dice.is_some());
    let mut headings = vec![
        "image",
        "decision",
        "mu",
        "threshold",
        "soft Dice",
        "confidence",
        "score",
        "estimated Dice",
        "object",
        "Dice",
        "reasons",
    ];
    headings.retain(|heading| with_truth || *heading != "Dice");
    let with_score = rows.iter().any(|row| row.score.is_some());
    headings.retain(|heading| with_score || !["score", "estimated Dice"].contains(heading));
    let mut table = out::table(&headings);
    for row in rows {
        let mut cells = vec![
            row.image.clone(),
            row.verdict.into(),
            format!("{:.3}", row.decision.mu),
            words::threshold(row.decision.threshold),
            words::score(row.soft_dice_confidence),
            words::score(row.object_confidence),
        ];
        if with_score {
            cells.push(words::score(row.score.unwrap_or(f64::NAN)));
            cells.push(words::estimated_dice(row.estimated_dice));
        }
        cells.push(format!("{:.1} %", row.object_fraction * 100.0));
        if with_truth {
            cells.push(row.dice.map_or_else(|| "-".into(), |dice| format!("{dice:.3}")));
        }
        cells.push(words::reasons(&row.decision));
        table.add_row(cells);
    }
    out::print(&table)?;
    let accepted = rows.iter().filter(|row| row.decision.accept).count();
    let failed = if failures.is_empty() {
        String::new()
    } else {
        format!(", {} failed", failures.len())
    };
    Ok(out::line(&format!(
        "{accepted} of {} images accepted by {}{failed}",
        rows.len(),
        subject.reference
    ))?)
}
