//! The numbers of an interpretation.

use std::path::Path;

use protoseg::UnitSplit;
use sagate_core::atomic;
use sagate_core::gate::{Decision, EstimatedDice};
use serde::Serialize;

use crate::cli::backend::Seen;
use crate::cli::inputs::Slice;
use crate::cli::subject::Subject;
use crate::cli::{out, words};
use crate::client::LayerResult;
use crate::config::Settings;

/// `report.json`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    image: &'a str,
    model: &'a str,
    model_hash: &'a str,
    decision: &'a Decision,
    verdict: &'static str,
    soft_dice_confidence: f64,
    object_confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_dice: Option<EstimatedDice>,
    object_fraction: f64,
    layers: Vec<LayerReport>,
    units_of_layer: usize,
    class: &'a str,
    unit_scores: &'a [f64],
    active_units: &'a [usize],
    active_threshold: f64,
}

#[derive(Debug, Serialize)]
struct LayerReport {
    layer: usize,
    name: &'static str,
    group: String,
    resolution: String,
    sa_score: f64,
}

impl<'a> Report<'a> {
    /// What was seen of a slice.
    pub fn new(
        subject: &'a Subject,
        slice: &'a Slice,
        seen: &'a Seen,
        split: &'a UnitSplit,
        class: &'a str,
        units_of: usize,
    ) -> Report<'a> {
        let answer = &seen.answer;
        Report {
            image: &slice.name,
            model: &subject.reference,
            model_hash: &subject.hash,
            decision: &answer.decision,
            verdict: answer.decision.word(),
            soft_dice_confidence: answer.confidence.soft_dice,
            object_confidence: answer.confidence.object,
            score: answer.score.map(|score| score.value),
            estimated_dice: answer.score.and_then(|score| score.estimated_dice),
            object_fraction: answer.object_fraction,
            layers: seen.layers.iter().map(layer_report).collect(),
            units_of_layer: units_of,
            class,
            unit_scores: &seen.units.scores,
            active_units: &split.active,
            active_threshold: split.threshold,
        }
    }

    /// Writes `report.json`.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(atomic::write(
            &folder.join("report.json"),
            &serde_json::to_vec_pretty(self)?,
        )?)
    }

    /// Prints it, as a table or as it is written.
    pub fn print(&self, folder: &Path, settings: &Settings) -> anyhow::Result<()> {
        if settings.json() {
            return out::json(self);
        }
        let decision = self.decision;
        let score = match self.score {
            Some(score) => format!(
                ", score {}, estimated Dice {}",
                words::score(score),
                words::estimated_dice(self.estimated_dice)
            ),
            None => String::new(),
        };
        out::line(&format!(
            "{}: {} mu {:.3}, threshold {}, soft Dice confidence {}, object confidence {}{score} {}",
            self.image,
            self.verdict,
            decision.mu,
            words::threshold(decision.threshold),
            words::score(self.soft_dice_confidence),
            words::score(self.object_confidence),
            words::reasons(decision)
        ))?;
        let mut table = out::table(&["layer", "name", "group", "resolution", "SA score"]);
        for layer in &self.layers {
            table.add_row([
                layer.layer.to_string(),
                layer.name.into(),
                layer.group.clone(),
                layer.resolution.clone(),
                format!("{:.3}", layer.sa_score),
            ]);
        }
        out::print(&table)?;
        Ok(out::line(&format!(
            "layer {}: {} of {} units active; pictures and report.json in {}",
            self.units_of_layer,
            self.active_units.len(),
            self.unit_scores.len(),
            folder.display()
        ))?)
    }
}

fn layer_report(seen: &LayerResult) -> LayerReport {
    let layer = seen.layer;
    let resolution = match layer.downsampling {
        1 => "1".into(),
        factor => format!("1/{factor}"),
    };
    LayerReport {
        layer: layer.number,
        name: layer.name,
        group: layer.group.to_string(),
        resolution,
        sa_score: seen.score,
    }
}
