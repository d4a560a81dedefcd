//! Images by the kind and severity of their corruption.

use sagate_lab::study::table::{Cell, Column, Table};
use serde::Serialize;

use super::score::Score;

/// Digits of shares and scores in tables.
pub(super) const DIGITS: usize = 3;

/// One row of the table: one kind and severity of corruption.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub corruption: &'static str,
    /// 0 where the images are clean.
    pub severity: u8,
    pub images: usize,
    pub mean_dice: Option<f64>,
    pub mean_mu: f64,
    /// Share that the gate rejected.
    pub rejected: f64,
}

/// The images of each kind and severity of corruption, in their order.
pub(super) fn chunks(scores: &[Score]) -> impl Iterator<Item = &[Score]> {
    scores.chunk_by(|a, b| a.corruption == b.corruption)
}

pub(super) fn groups(scores: &[Score]) -> Vec<Group> {
    let group = |group: &[Score]| Group {
        corruption: group[0].corruption_name(),
        severity: group[0].severity(),
        images: group.len(),
        mean_dice: mean(group.iter().filter_map(|score| score.dice)),
        mean_mu: mean(group.iter().map(|score| score.mu)).unwrap_or(f64::NAN),
        rejected: group.iter().filter(|score| !score.accept).count() as f64 / group.len() as f64,
    };
    chunks(scores).map(group).collect()
}

pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A number, or why there is none.
pub(super) fn number(value: Option<f64>, else_why: &str) -> Cell {
    value.map_or_else(|| Cell::missing(else_why), |value| Cell::number(value, DIGITS))
}

/// The first two cells of a row that is about a kind and severity of corruption.
pub(super) fn head(corruption: &str, severity: u8) -> [Cell; 2] {
    let severity = if severity == 0 {
        "-".into()
    } else {
        severity.to_string()
    };
    [Cell::text(corruption), Cell::text(severity)]
}

pub(super) fn table(groups: &[Group]) -> Table {
    let columns = [
        "corruption",
        "severity",
        "images",
        "mean Dice",
        "mean mu",
        "rejected",
    ];
    let mut table = Table::new(
        "corruption",
        "Dice, mu and the share that the gate rejects, by corruption and severity",
        columns.map(Column::new),
    );
    for group in groups {
        let cells = [
            Cell::count(group.images as u64),
            number(group.mean_dice, "no truth"),
            Cell::number(group.mean_mu, DIGITS),
            Cell::percent(group.rejected, 0),
        ];
        table.push(head(group.corruption, group.severity).into_iter().chain(cells));
    }
    table
}
