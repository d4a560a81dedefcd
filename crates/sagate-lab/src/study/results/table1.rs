//! Table 1: Dice of the output and of layer 18's SAM, offline and online; the other metrics besides.

use protoseg::Metric;

use super::outcome::Outcomes;
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};

/// The metrics of an SA score, the paper's first.
pub(super) const METRICS: [(Metric, &str, &str); 5] = [
    (Metric::Dice, "dice", "Dice"),
    (Metric::Jaccard, "jaccard", "Jaccard"),
    (Metric::PixelAccuracy, "accuracy", "pixel accuracy"),
    (Metric::Sensitivity, "sensitivity", "sensitivity"),
    (Metric::Specificity, "specificity", "specificity"),
];

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let blocks = METRICS.map(|(metric, id, name)| Block::Table(table(outcomes, metric, id, name)));
    Section::new("table1", "Table 1: output and SAM of layer 18", blocks)
}

fn table(outcomes: &Outcomes, metric: Metric, id: &str, name: &str) -> Table {
    let columns = [
        "set",
        "offline output",
        "offline S_f18",
        "online output",
        "online S_f18",
    ];
    let mut table = Table::new(
        format!("table1-{id}"),
        format!(
            "{name} against the truth on clean test images: mean, standard deviation, 95 % interval of the mean"
        ),
        columns.map(Column::new),
    );
    for &set in outcomes.sets() {
        let cells = LOSSES.into_iter().flat_map(|loss| {
            let outcome = outcomes.get(set, loss);
            [
                outcome.estimate(|record| metric.score(record.pass.output)).cell(),
                outcome
                    .estimate(|record| metric.score(record.pass.layers[17].truth))
                    .cell(),
            ]
        });
        table.push(std::iter::once(Cell::text(set.name())).chain(cells));
    }
    table
}
