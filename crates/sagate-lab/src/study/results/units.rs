//! Fig. 7: the units of the last layer, sorted; how many are active.

use super::outcome::{DIGITS, Outcome, Outcomes};
use crate::study::figure::{Axis, Figure, LinePanel, Lines, Mark, Series};
use crate::study::measure::OnePass;
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::set::Set;
use crate::study::table::{Cell, Column, Table};

/// A unit is active where its SA score is at least half of the best unit's of the image.
const ACTIVE: f64 = 0.5;

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let panel = |set: Set| LinePanel {
        title: set.name().into(),
        series: LOSSES
            .map(|loss| {
                let y = mean_sorted(outcomes.get(set, loss));
                Series {
                    name: loss.to_string(),
                    x: (1..=y.len()).map(|rank| rank as f64).collect(),
                    y,
                    band: None,
                    dashed: false,
                }
            })
            .into(),
        marks: Vec::<Mark>::new(),
    };
    let figure = Lines {
        title: "Units of layer 18, from the lowest SA score to the highest".into(),
        x: Axis::new("rank"),
        y: Axis::new("SA score, mean over images").range(0.0, 1.0),
        panels: outcomes.sets().iter().copied().map(panel).collect(),
        ..Lines::default()
    };
    let mut table = Table::new(
        "active-units",
        "Share of the units of layer 18 that are active, mean over clean test images",
        ["set", "loss", "active units", "units"].map(Column::new),
    );
    for &set in outcomes.sets() {
        for loss in LOSSES {
            let outcome = outcomes.get(set, loss);
            let share = outcome.estimate(|record| active_share(last_units(&record.pass)));
            let units = last_units(&outcome.records.test[0].pass).len() as u64;
            table.push([
                Cell::text(set.name()),
                Cell::text(loss.to_string()),
                Cell::estimate(share.mean, Some(share.deviation), share.low, share.high, DIGITS),
                Cell::Count { count: units },
            ]);
        }
    }
    table.note = Some(
        "Active: an SA score of at least half of the image's best unit. The paper draws the line by eye (Fig. 7).".into(),
    );
    Section::new(
        "units",
        "Fig. 7: active and inertia units",
        [
            Block::Figure {
                id: "fig7".into(),
                caption: "SA scores of the units, sorted within each clean test image and averaged by rank (Fig. 7 of the paper).".into(),
                figure: Box::new(Figure::Lines(figure)),
            },
            Block::Table(table),
        ],
    )
}

/// SA scores of the units of layer 18, which has as many as layer 17.
pub(super) fn last_units(pass: &OnePass) -> &[f64] {
    &pass.units[pass.units.len() / 2..]
}

/// The share of an image's units that are active; 0 where none has a score.
pub(super) fn active_share(units: &[f64]) -> f64 {
    let best = units.iter().copied().fold(0.0, f64::max);
    let active = units
        .iter()
        .filter(|&&score| best > 0.0 && score >= ACTIVE * best)
        .count();
    active as f64 / units.len() as f64
}

fn mean_sorted(outcome: &Outcome) -> Vec<f64> {
    let clean = outcome.clean();
    let mut means = vec![0.0; last_units(&clean[0].pass).len()];
    for record in clean {
        let mut units = last_units(&record.pass).to_vec();
        units.sort_by(f64::total_cmp);
        means
            .iter_mut()
            .zip(units)
            .for_each(|(mean, score)| *mean += score / clean.len() as f64);
    }
    means
}
