//! Heads that no network was trained for: does a score know?

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
const SHOWN: [&str; 4] = ["mu", "rehearsed", "object-confidence", "soft-dice"];

pub(super) fn section(study: &Study, outcomes: &Outcomes) -> Result<Section, StudyError> {
    let columns = ["set", "loss", "head", "slices", "Dice"].map(str::to_owned);
    let columns = columns
        .into_iter()
        .chain(SHOWN.map(|id| format!("{id}: below the usual")))
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
            let outcome = outcomes.of(set, loss);
            for (name, passes) in study.met(&outcome.network)?.heads {
                let dice: Vec<f64> = passes
                    .iter()
                    .map(|pass| Metric::Dice.score(pass.output))
                    .collect();
                let scores = one_pass_scores(&outcome.records, passes, &outcome.weights);
                let of = |id: &str| scores.iter().find(|score| score.id == id);
                let below = SHOWN.map(|id| of(id).and_then(|score| below_usual(outcome, score)));
                let ranks = SHOWN
                    .map(|id| of(id).and_then(|score| spearman(&Scored::new(&score.values, &dice).all())));
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
        "The T1 networks were trained on one head. MNI152, the mean of 152 others, and a macaque are not what they are for: a score that \
         is to be trusted falls where the Dice does."
            .into(),
    )];
    if study.heads(Set::T1Brain).len() < 2 {
        blocks.push(Block::Paragraph(
            "MNI152 is left out: it was not there. `make nilearn` unpacks it into .tools/nilearn; the study then takes it up.".into(),
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

/// The share of slices whose score lies below what nine in ten clean test images reach.
fn below_usual(outcome: &Outcome, score: &Score) -> Option<f64> {
    let mut usual = outcome.score(score.id)?.values[..outcome.clean().len()].to_vec();
    usual.sort_by(f64::total_cmp);
    let threshold = percentile(&usual, 0.1);
    let below = score.values.iter().filter(|value| **value < threshold).count();
    Some(below as f64 / score.values.len() as f64)
}
