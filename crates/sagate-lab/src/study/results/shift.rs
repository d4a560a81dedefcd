//! Effect of corruption on Dice and rejection, and false accepts.

use sagate_core::gate::evaluation::Bootstrap;

use super::outcome::{DIGITS, Estimate, Outcome, Outcomes, dice};
use crate::data::{Corruption, CorruptionKind};
use crate::study::evaluate::{COVERAGES, FAILED};
use crate::study::plan::LOSSES;
use crate::study::record::Record;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

/// The coverage on clean validation images that the thresholds of the corruption tables come from.
const COVERAGE: f64 = 0.9;

/// The scores that are shown: mu, the two confidences, the quality score, and the most expensive baseline.
const SCORES: [&str; 5] = ["mu", "object-confidence", "soft-dice", "quality", "ensemble"];

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let mut blocks = vec![Block::Paragraph(
        "Online networks. The gate's threshold accepts 90 % of the clean test images; the tables give the share of corrupted images that is \
         rejected. The ensemble has no score on validation images, so all thresholds come from the clean test images."
            .into(),
    )];
    blocks.extend(
        outcomes
            .sets()
            .iter()
            .map(|&set| Block::Table(corruption_table(outcomes.get(set, Loss::Online)))),
    );
    blocks.push(Block::Table(half_rejected(outcomes)));
    blocks.push(Block::Table(false_accepts(outcomes)));
    Section::new("shift", "Corruption, rejection, false accepts", blocks)
}

/// The scores of an outcome that are shown, each with its threshold.
fn thresholds(outcome: &Outcome, coverage: f64) -> Vec<(&'static str, &[f64], f64)> {
    let threshold = |id: &&str| {
        let score = outcome.score(id)?;
        let mut clean: Vec<f64> = score.values[..outcome.clean().len()].to_vec();
        clean.sort_by(|a, b| b.total_cmp(a));
        let passing = ((coverage * clean.len() as f64 - 1e-9).ceil() as usize).clamp(1, clean.len());
        Some((score.name, score.values.as_slice(), clean[passing - 1]))
    };
    SCORES.iter().filter_map(threshold).collect()
}

/// The index range of the test images of each corruption, in the order of the records.
fn versions(outcome: &Outcome) -> Vec<(Option<Corruption>, std::ops::Range<usize>)> {
    let mut from = 0;
    let chunks = outcome.records.test.chunk_by(|a, b| a.corruption == b.corruption);
    chunks
        .map(|chunk| {
            let range = from..from + chunk.len();
            from = range.end;
            (chunk[0].corruption, range)
        })
        .collect()
}

fn corruption_table(outcome: &Outcome) -> Table {
    let name = outcome.network.set.name();
    let thresholds = thresholds(outcome, COVERAGE);
    let columns = ["corruption", "severity", "Dice", "mu"]
        .map(str::to_owned)
        .into_iter();
    let columns = columns.chain(
        thresholds
            .iter()
            .map(|(score, ..)| format!("rejected by {score}")),
    );
    let mut table = Table::new(
        format!("corruption-{name}"),
        format!("{name}: Dice, mu and the share rejected, by corruption and severity"),
        columns.map(Column::new),
    );
    for (corruption, range) in versions(outcome) {
        let records = &outcome.records.test[range.clone()];
        let estimate = |value: fn(&Record) -> f64| {
            let values: Vec<f64> = records.iter().map(value).collect();
            Estimate::new(&values, &outcome.clean_bootstrap).cell()
        };
        let head = [
            Cell::text(corruption.map_or("clean", |corruption| corruption.kind.name())),
            Cell::text(corruption.map_or_else(|| "-".into(), |corruption| corruption.severity.to_string())),
            estimate(dice),
            estimate(|record| record.pass.mu),
        ];
        let rejected = thresholds.iter().map(|(_, values, threshold)| {
            let rejected = values[range.clone()]
                .iter()
                .filter(|&value| value < threshold)
                .count();
            Cell::percent(rejected as f64 / range.len() as f64, 0)
        });
        table.push(head.into_iter().chain(rejected));
    }
    table
}

/// The lowest severity of each kind of corruption at which half of the images are rejected, by score.
fn half_rejected(outcomes: &Outcomes) -> Table {
    let columns = ["corruption", "score"].into_iter();
    let mut table = Table::new(
        "half-rejected",
        "Lowest severity of corruption at which a score rejects half of the images",
        columns
            .chain(outcomes.sets().iter().map(|set| set.name()))
            .map(Column::new),
    );
    let by_set: Vec<_> = outcomes
        .sets()
        .iter()
        .map(|&set| {
            let outcome = outcomes.get(set, Loss::Online);
            (versions(outcome), thresholds(outcome, COVERAGE))
        })
        .collect();
    for kind in CorruptionKind::ALL {
        for (index, (score, ..)) in by_set[0].1.iter().enumerate() {
            let cells = by_set.iter().map(|(versions, thresholds)| {
                let Some((_, values, threshold)) = thresholds.get(index) else {
                    return Cell::missing("could not be fitted");
                };
                let of_kind = versions.iter().filter_map(|(corruption, range)| {
                    Some((corruption.filter(|it| it.kind == kind)?, range))
                });
                let half = |range: &std::ops::Range<usize>| {
                    let rejected = values[range.clone()].iter().filter(|value| *value < threshold);
                    2 * rejected.count() >= range.len()
                };
                let severities: Vec<_> = of_kind
                    .map(|(corruption, range)| (corruption.severity, half(range)))
                    .collect();
                match severities.iter().find(|(_, half)| *half) {
                    Some((severity, _)) => Cell::text(severity.to_string()),
                    None if severities.is_empty() => Cell::missing("this set cannot have it"),
                    None => Cell::text("none"),
                }
            });
            let cells: Vec<Cell> = cells.collect();
            table.push(
                [Cell::text(kind.name()), Cell::text(*score)]
                    .into_iter()
                    .chain(cells),
            );
        }
    }
    table
}

/// The share of all test images that are accepted though their Dice is below 0.5.
fn false_accepts(outcomes: &Outcomes) -> Table {
    let columns = ["set", "loss", "score"].map(str::to_owned).into_iter();
    let columns = columns.chain(COVERAGES.map(|coverage| format!("at {:.0} %", coverage * 100.0)));
    let mut table = Table::new(
        "false-accepts",
        "False accepts: Dice below 0.5 and accepted, share of all test images, clean and corrupted, by the coverage on clean ones",
        columns.map(Column::new),
    );
    for &set in outcomes.sets() {
        for loss in LOSSES {
            let outcome = outcomes.get(set, loss);
            let by_coverage: Vec<_> = COVERAGES
                .iter()
                .map(|&coverage| thresholds(outcome, coverage))
                .collect();
            for (index, (score, ..)) in by_coverage[0].iter().enumerate() {
                let cells = COVERAGES.iter().zip(&by_coverage).map(|(&coverage, thresholds)| {
                    let (_, values, threshold) = thresholds[index];
                    let accepted = |value: f64| coverage >= 1.0 || value >= threshold;
                    let wrong: Vec<f64> = values
                        .iter()
                        .zip(&outcome.dice)
                        .map(|(&value, &dice)| f64::from(u8::from(accepted(value) && dice < FAILED)))
                        .collect();
                    share(&wrong, &outcome.bootstrap)
                });
                let head = [
                    set.name(),
                    if loss == Loss::Online { "online" } else { "offline" },
                    score,
                ]
                .map(Cell::text);
                table.push(head.into_iter().chain(cells));
            }
        }
    }
    table
}

fn share(flags: &[f64], bootstrap: &Bootstrap) -> Cell {
    let estimate = Estimate::new(flags, bootstrap);
    Cell::estimate(estimate.mean, None, estimate.low, estimate.high, DIGITS)
}
