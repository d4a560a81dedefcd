//! Table 3 and Fig. 15: separableness of the object by intensities, and the network's gain over it.

use protoseg::Metric;

use super::outcome::{Outcomes, dice};
use crate::study::figure::{Axis, Figure, Group, Scatter, ScatterPanel, Trend};
use crate::study::record::Record;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

/// Dice against the truth of ProtoSeg with the image's channels as features; prototypes by the output.
pub(super) fn separableness(record: &Record) -> f64 {
    Metric::Dice.score(record.pass.input)
}

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let mut table = Table::new(
        "separableness",
        "Separableness: Dice of S_x, of the online network's output, and the mean gain m(d); clean test images",
        ["set", "S_x", "S_x, prototypes by the truth", "output", "m(d)"].map(Column::new),
    );
    let mut panels = Vec::new();
    for &set in outcomes.sets() {
        let outcome = outcomes.get(set, Loss::Online);
        table.push([
            Cell::text(set.name()),
            outcome.estimate(separableness).cell(),
            outcome
                .estimate(|record| Metric::Dice.score(record.pass.input_by_truth))
                .cell(),
            outcome.estimate(dice).cell(),
            outcome
                .estimate(|record| dice(record) - separableness(record))
                .cell(),
        ]);
        panels.push(ScatterPanel {
            title: set.name().into(),
            groups: vec![Group {
                name: "a clean test image".into(),
                x: outcome.clean().iter().map(separableness).collect(),
                y: outcome.clean().iter().map(dice).collect(),
                labels: Vec::new(),
            }],
            trend: Some(Trend::Identity),
            corner: Vec::new(),
        });
    }
    let figure = Scatter {
        title: "What the network adds to the image's own contrast".into(),
        x: Axis::new("Dice of S_x").range(0.0, 1.0),
        y: Axis::new("Dice of the output").range(0.0, 1.0),
        panels,
        ..Scatter::default()
    };
    Section::new(
        "table3",
        "Table 3, Fig. 15: separableness",
        [
            Block::Table(table),
            Block::Figure {
                id: "fig15".into(),
                caption: "Separableness S_x against the Dice of the online network's output (Fig. 15 of the paper). Above the line the \
                          network adds to what the image's own values tell."
                    .into(),
                figure: Box::new(Figure::Scatter(figure)),
            },
        ],
    )
}
