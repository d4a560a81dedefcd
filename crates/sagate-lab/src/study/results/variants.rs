//! Variants of the online loss and of the width.

use protoseg::Metric;
use sagate_core::gate::evaluation::{Bootstrap, Scored, spearman};

use super::outcome::{DIGITS, Estimate, dice};
use crate::study::error::StudyError;
use crate::study::network::{Network, Variant};
use crate::study::plan::{variant_sets, variants};
use crate::study::record::Record;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

pub(super) fn section(study: &Study) -> Result<Section, StudyError> {
    let columns = [
        "set",
        "variant",
        "Dice of the output",
        "Dice of S_f18",
        "mean mu",
        "Spearman of mu and Dice",
    ];
    let mut table = Table::new(
        "network-variants",
        "Networks trained online with something changed; clean test images",
        columns.map(Column::new),
    );
    for set in variant_sets(&study.profile, study.sets()) {
        for variant in std::iter::once(Variant::Main).chain(variants(&study.profile)) {
            let network = Network {
                variant,
                ..Network::main(set, Loss::Online)
            };
            let records = study.records(&network)?;
            let clean: Vec<&Record> = records
                .test
                .iter()
                .filter(|record| record.corruption.is_none())
                .collect();
            let groups: Vec<usize> = (0..clean.len()).collect();
            let bootstrap = Bootstrap::new(&groups, study.profile.draws, study.profile.seed);
            let estimate = |value: fn(&Record) -> f64| {
                let values: Vec<f64> = clean.iter().map(|record| value(record)).collect();
                Estimate::new(&values, &bootstrap).cell()
            };
            let mu: Vec<f64> = clean.iter().map(|record| record.pass.mu).collect();
            let scored = Scored::new(&mu, &clean.iter().map(|record| dice(record)).collect::<Vec<_>>());
            let interval = bootstrap.interval(|times| spearman(&scored.drawn(times)));
            let rank = match (spearman(&scored.all()), interval) {
                (Some(value), Some(interval)) => {
                    Cell::estimate(value, None, interval.low, interval.high, DIGITS)
                }
                _ => Cell::missing("mu or Dice is constant"),
            };
            table.push([
                Cell::text(set.name()),
                Cell::text(variant.words()),
                estimate(dice),
                estimate(|record| Metric::Dice.score(record.pass.layers[17].truth)),
                estimate(|record| record.pass.mu),
                rank,
            ]);
        }
    }
    Ok(Section::new(
        "variants",
        "Lambda, gradients, width",
        [Block::Table(table)],
    ))
}
