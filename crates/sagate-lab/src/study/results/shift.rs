//! What damage does: to the Dice, to the gate, and what slips through.

use sagate_core::gate::evaluation::Bootstrap;

use super::outcome::{DIGITS, Estimate, Outcome, Outcomes, dice};
use crate::data::{Damage, Kind};
use crate::study::judge::{COVERAGES, FAILED};
use crate::study::plan::LOSSES;
use crate::study::record::Record;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

/// The coverage on clean validation images that the thresholds of the damage tables come from.
const COVERAGE: f64 = 0.9;

/// The scores that are shown: mu, the two that cost nothing beside it, what a rehearsal taught, and the dearest rival.
const SCORES: [&str; 5] = ["mu", "object-confidence", "soft-dice", "rehearsed", "ensemble"];

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let mut blocks = vec![Block::Paragraph(
        "Online networks. The gate's threshold is the one that lets 90 % of the clean test images pass; what damage does is then the share \
         that is rejected. The ensemble has no score on validation images, so all thresholds come from the clean test images."
            .into(),
    )];
    blocks.extend(
        outcomes
            .sets()
            .iter()
            .map(|&set| Block::Table(damage_table(outcomes.of(set, Loss::Online)))),
    );
    blocks.push(Block::Table(half_rejected(outcomes)));
    blocks.push(Block::Table(false_accepts(outcomes)));
    Section::new("shift", "Damage, rejection, false accepts", blocks)
}

/// The scores of an outcome that are shown, each with its threshold.
fn thresholds(outcome: &Outcome, coverage: f64) -> Vec<(&'static str, &[f64], f64)> {
    let of = |id: &&str| {
        let score = outcome.score(id)?;
        let mut clean: Vec<f64> = score.values[..outcome.clean().len()].to_vec();
        clean.sort_by(|a, b| b.total_cmp(a));
        let passing = ((coverage * clean.len() as f64 - 1e-9).ceil() as usize).clamp(1, clean.len());
        Some((score.name, score.values.as_slice(), clean[passing - 1]))
    };
    SCORES.iter().filter_map(of).collect()
}

/// The test images of each damage, in the order in which they were made: the places of the first and the last.
fn versions(outcome: &Outcome) -> Vec<(Option<Damage>, std::ops::Range<usize>)> {
    let mut from = 0;
    let chunks = outcome.records.test.chunk_by(|a, b| a.damage == b.damage);
    chunks
        .map(|chunk| {
            let range = from..from + chunk.len();
            from = range.end;
            (chunk[0].damage, range)
        })
        .collect()
}

fn damage_table(outcome: &Outcome) -> Table {
    let name = outcome.network.set.name();
    let thresholds = thresholds(outcome, COVERAGE);
    let columns = ["damage", "grade", "Dice", "mu"].map(str::to_owned).into_iter();
    let columns = columns.chain(
        thresholds
            .iter()
            .map(|(score, ..)| format!("rejected by {score}")),
    );
    let mut table = Table::new(
        format!("damage-{name}"),
        format!("{name}: Dice, mu and the share rejected, by damage and grade"),
        columns.map(Column::new),
    );
    for (damage, range) in versions(outcome) {
        let records = &outcome.records.test[range.clone()];
        let estimate = |value: fn(&Record) -> f64| {
            let values: Vec<f64> = records.iter().map(value).collect();
            Estimate::new(&values, &outcome.clean_bootstrap).cell()
        };
        let head = [
            Cell::text(damage.map_or("clean", |damage| damage.kind.name())),
            Cell::text(damage.map_or_else(|| "-".into(), |damage| damage.grade.to_string())),
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

/// The lowest grade of each kind of damage at which half of the images are rejected, by score.
fn half_rejected(outcomes: &Outcomes) -> Table {
    let columns = ["damage", "score"].into_iter();
    let mut table = Table::new(
        "half-rejected",
        "Lowest grade of damage at which a score rejects half of the images",
        columns
            .chain(outcomes.sets().iter().map(|set| set.name()))
            .map(Column::new),
    );
    let of_sets: Vec<_> = outcomes
        .sets()
        .iter()
        .map(|&set| {
            let outcome = outcomes.of(set, Loss::Online);
            (versions(outcome), thresholds(outcome, COVERAGE))
        })
        .collect();
    for kind in Kind::ALL {
        for (place, (score, ..)) in of_sets[0].1.iter().enumerate() {
            let cells = of_sets.iter().map(|(versions, thresholds)| {
                let Some((_, values, threshold)) = thresholds.get(place) else {
                    return Cell::missing("could not be fitted");
                };
                let of_kind = versions
                    .iter()
                    .filter_map(|(damage, range)| Some((damage.filter(|it| it.kind == kind)?, range)));
                let half = |range: &std::ops::Range<usize>| {
                    let rejected = values[range.clone()].iter().filter(|value| *value < threshold);
                    2 * rejected.count() >= range.len()
                };
                let grades: Vec<_> = of_kind
                    .map(|(damage, range)| (damage.grade, half(range)))
                    .collect();
                match grades.iter().find(|(_, half)| *half) {
                    Some((grade, _)) => Cell::text(grade.to_string()),
                    None if grades.is_empty() => Cell::missing("this set cannot have it"),
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
        "False accepts: Dice below 0.5 and accepted, share of all test images, clean and damaged, by the coverage on clean ones",
        columns.map(Column::new),
    );
    for &set in outcomes.sets() {
        for loss in LOSSES {
            let outcome = outcomes.of(set, loss);
            let by_coverage: Vec<_> = COVERAGES
                .iter()
                .map(|&coverage| thresholds(outcome, coverage))
                .collect();
            for (place, (score, ..)) in by_coverage[0].iter().enumerate() {
                let cells = COVERAGES.iter().zip(&by_coverage).map(|(&coverage, thresholds)| {
                    let (_, values, threshold) = thresholds[place];
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
