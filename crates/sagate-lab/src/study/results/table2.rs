//! Table 2: Dice of the images that remain at each coverage; the other metrics besides.

use protoseg::Metric;
use sagate_core::gate::evaluation::{Scored, dice_at_coverage};

use super::outcome::{DIGITS, Outcomes};
use super::table1::METRICS;
use crate::study::evaluate::COVERAGES;
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let clean = METRICS.map(|(metric, id, name)| {
        let id = match metric {
            Metric::Dice => "table2-clean".to_owned(),
            _ => format!("table2-{id}"),
        };
        Block::Table(table(outcomes, metric, id, name, true))
    });
    let all = table(outcomes, Metric::Dice, "table2-all".into(), "Dice", false);
    let blocks = clean.into_iter().chain([Block::Table(all)]);
    Section::new("table2", "Table 2: Dice at each coverage", blocks)
}

fn table(outcomes: &Outcomes, metric: Metric, id: String, name: &str, clean: bool) -> Table {
    let columns = COVERAGES.map(|coverage| Column::new(format!("{:.0} %", coverage * 100.0)));
    let images = if clean {
        "clean test images"
    } else {
        "test images, clean and corrupted,"
    };
    let mut table = Table::new(
        id,
        format!(
            "{name} of the {images} that remain when those with the lowest mu are rejected: mean, standard deviation, 95 % interval of the \
             mean"
        ),
        [Column::new("set"), Column::new("loss")]
            .into_iter()
            .chain(columns),
    );
    for &set in outcomes.sets() {
        for loss in LOSSES {
            let outcome = outcomes.get(set, loss);
            let (records, bootstrap) = match clean {
                true => (outcome.clean(), &outcome.clean_bootstrap),
                false => (outcome.records.test.as_slice(), &outcome.bootstrap),
            };
            let mu: Vec<f64> = records.iter().map(|record| record.pass.mu).collect();
            let values: Vec<f64> = records
                .iter()
                .map(|record| metric.score(record.pass.output))
                .collect();
            let squares: Vec<f64> = values.iter().map(|value| value * value).collect();
            let (scored, squared) = (Scored::new(&mu, &values), Scored::new(&mu, &squares));
            let cells = COVERAGES.map(|coverage| {
                let interval = bootstrap.interval(|times| dice_at_coverage(&scored.drawn(times), coverage));
                let means = [&scored, &squared].map(|scored| dice_at_coverage(&scored.all(), coverage));
                match (means, interval) {
                    ([Some(mean), Some(square)], Some(interval)) => {
                        let deviation = (square - mean * mean).max(0.0).sqrt();
                        Cell::estimate(mean, Some(deviation), interval.low, interval.high, DIGITS)
                    }
                    _ => Cell::missing("no image remains"),
                }
            });
            table.push(
                [Cell::text(set.name()), Cell::text(loss.to_string())]
                    .into_iter()
                    .chain(cells),
            );
        }
    }
    table
}
