//! Effect of pruning the inertia units.

use super::outcome::{Estimate, Outcomes, dice};
use crate::study::error::StudyError;
use crate::study::network::Network;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

pub(super) fn section(study: &Study, outcomes: &Outcomes) -> Result<Section, StudyError> {
    let columns = [
        "set",
        "units of layers 17 and 18",
        "that stay",
        "Dice with all",
        "Dice with those",
        "change",
    ];
    let mut table = Table::new(
        "inertia-units",
        "The online networks without their inertia units: clean test images",
        columns.map(Column::new),
    );
    let mut times = Table::new(
        "pruning-time",
        "Time of the last block and the output without the inertia units, as a share of that with all units",
        ["set", "time"].map(Column::new),
    );
    for &set in study.sets() {
        let outcome = outcomes.get(set, Loss::Online);
        let pruned = study.pruned(&Network::main(set, Loss::Online))?;
        let estimate = |values: &[f64]| Estimate::new(values, &outcome.clean_bootstrap).cell();
        let whole: Vec<f64> = outcome.clean().iter().map(dice).collect();
        let change: Vec<f64> = pruned
            .dice
            .iter()
            .zip(&whole)
            .map(|(after, before)| after - before)
            .collect();
        table.push([
            Cell::text(set.name()),
            Cell::Count {
                count: pruned.units.iter().sum::<usize>() as u64,
            },
            Cell::Count {
                count: pruned.kept.iter().sum::<usize>() as u64,
            },
            estimate(&whole),
            estimate(&pruned.dice),
            estimate(&change),
        ]);
        times.push([
            Cell::text(set.name()),
            Cell::number(pruned.seconds[1] / pruned.seconds[0], 2),
        ]);
    }
    let text = "Inertia: a mean SA score over the validation images below half of the layer's best. Each is replaced by the constant that \
                it gives on average, added to the bias of what follows (eq. 11 of the paper), and its kernel is removed; nothing is \
                trained again.";
    let blocks = [
        Block::Paragraph(text.into()),
        Block::Table(table),
        Block::Times(vec![Block::Table(times)]),
    ];
    Ok(Section::new("pruning", "Without the inertia units", blocks))
}
