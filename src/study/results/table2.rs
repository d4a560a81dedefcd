//! Table 2: Dice of the images that remain at each coverage.

use super::outcome::{DIGITS, Outcomes, dice};
use crate::gate::evaluation::{Scored, dice_at_coverage};
use crate::study::judge::COVERAGES;
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::table::{Cell, Column, Table};

pub(super) fn section(outcomes: &Outcomes) -> Section {
    Section::new(
        "table2",
        "Table 2: Dice at each coverage",
        [
            Block::Table(table(outcomes, true)),
            Block::Table(table(outcomes, false)),
        ],
    )
}

fn table(outcomes: &Outcomes, clean: bool) -> Table {
    let columns = COVERAGES.map(|coverage| Column::new(format!("{:.0} %", coverage * 100.0)));
    let (id, images) = if clean {
        ("table2-clean", "clean test images")
    } else {
        ("table2-all", "test images, clean and damaged")
    };
    let mut table = Table::new(
        id,
        format!("Mean Dice of the {images} that remain when those with the lowest mu are rejected"),
        [Column::new("set"), Column::new("loss")]
            .into_iter()
            .chain(columns),
    );
    for &set in outcomes.sets() {
        for loss in LOSSES {
            let outcome = outcomes.of(set, loss);
            let (records, bootstrap) = match clean {
                true => (outcome.clean(), &outcome.clean_bootstrap),
                false => (outcome.records.test.as_slice(), &outcome.bootstrap),
            };
            let mu: Vec<f64> = records.iter().map(|record| record.pass.mu).collect();
            let scored = Scored::new(&mu, &records.iter().map(dice).collect::<Vec<_>>());
            let cells = COVERAGES.map(|coverage| {
                let interval = bootstrap.interval(|times| dice_at_coverage(&scored.drawn(times), coverage));
                match (dice_at_coverage(&scored.all(), coverage), interval) {
                    (Some(mean), Some(interval)) => {
                        Cell::estimate(mean, None, interval.low, interval.high, DIGITS)
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
