//! Scores on heads outside the training distribution.

use protoseg::Metric;
use sagate_core::gate::evaluation::{Scored, percentile, spearman};

use super::outcome::{DIGITS, Outcome, Outcomes};
use crate::study::error::StudyError;
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::score::{Score, one_pass_scores};
use crate::study::set::Set;
use crate::study::table::{Cell, Column, Table};

/// Scores that are shown, in their order.
const SHOWN: [&str; 4] = ["mu", "quality", "object-confidence", "soft-dice"];

pub(super) fn section(study: &Study, outcomes: &Outcomes) -> Result<Section, StudyError> {
    let columns = ["set", "loss", "head", "slices", "Dice"].map(str::to_owned);
    let columns = columns
        .into_iter()
        .chain(SHOWN.map(|id| format!("{id}: below 10th percentile")))
        .chain(SHOWN.map(|id| format!("{id}: Spearman")));
    let mut table = Table::new(
        "other-heads",
        "Other heads: mean Dice and standard deviation; the share of slices whose score lies below that of nine in ten clean test images; \
         Spearman's correlation of score and Dice",
        columns.map(Column::new),
    );
    let mut left_out = Vec::new();
    for set in study.sets().iter().copied().filter(|set| set.is_of_heads()) {
        if study.heads(set).is_empty() {
            left_out.push(set.name());
        }
        for loss in LOSSES {
            let outcome = outcomes.get(set, loss);
            for (name, passes) in study.head_results(&outcome.network)?.heads {
                let dice: Vec<f64> = passes
                    .iter()
                    .map(|pass| Metric::Dice.score(pass.output))
                    .collect();
                let scores = one_pass_scores(&outcome.records, passes, &outcome.weights);
                let find = |id: &str| scores.iter().find(|score| score.id == id);
                let below = SHOWN.map(|id| find(id).and_then(|score| below_tenth(outcome, score)));
                let ranks = SHOWN
                    .map(|id| find(id).and_then(|score| spearman(&Scored::new(&score.values, &dice).all())));
                let mean = dice.iter().sum::<f64>() / dice.len() as f64;
                let deviation =
                    (dice.iter().map(|dice| (dice - mean).powi(2)).sum::<f64>() / dice.len() as f64).sqrt();
                let cell = |value: Option<f64>| {
                    value.map_or_else(|| Cell::missing("undefined"), |value| Cell::number(value, DIGITS))
                };
                let head = [set.name().to_owned(), loss.to_string(), name].map(Cell::text);
                let counts = [
                    Cell::Count {
                        count: dice.len() as u64,
                    },
                    Cell::text(format!("{mean:.3} ({deviation:.3})")),
                ];
                table.push(
                    head.into_iter()
                        .chain(counts)
                        .chain(below.map(cell))
                        .chain(ranks.map(cell)),
                );
            }
        }
    }
    let mut blocks = vec![Block::Paragraph(
        "The T1 networks were trained on one head. MNI152, the mean of 152 others, and a macaque lie outside the training distribution: \
         a reliable score falls where the Dice does."
            .into(),
    )];
    if study.heads(Set::T1Brain).len() < 2 {
        blocks.push(Block::Paragraph(
            "MNI152 is left out: it was not found. `make nilearn` unpacks it into .tools/nilearn; then the study includes it.".into(),
        ));
    }
    if !left_out.is_empty() {
        blocks.push(Block::Paragraph(format!(
            "No other head with truth for: {}.",
            left_out.join(", ")
        )));
    }
    blocks.push(Block::Table(table));
    Ok(Section::new("heads", "Other heads", blocks))
}

/// The share of slices whose score lies below the 10th percentile of the clean test images.
fn below_tenth(outcome: &Outcome, score: &Score) -> Option<f64> {
    let mut clean = outcome.score(score.id)?.values[..outcome.clean().len()].to_vec();
    clean.sort_by(f64::total_cmp);
    let threshold = percentile(&clean, 0.1);
    let below = score.values.iter().filter(|value| **value < threshold).count();
    Some(below as f64 / score.values.len() as f64)
}
