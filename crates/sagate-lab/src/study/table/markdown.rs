//! Tables in Markdown.

use super::{Cell, Table};
use crate::study::escape::markdown;

pub(super) fn write(table: &Table) -> String {
    let mut text = String::new();
    let titles = table.columns.iter().map(|column| markdown(&column.title()));
    line(&mut text, titles);
    let rules = (0..table.columns.len()).map(|column| {
        let numbers = table.rows.iter().any(|row| row.0[column].value().is_some());
        if numbers { "---:" } else { "---" }.to_owned()
    });
    line(&mut text, rules);
    for row in &table.rows {
        line(&mut text, row.0.iter().map(shown));
    }
    text
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Missing { .. } => format!("*{}*", markdown(&cell.plain())),
        _ => markdown(&cell.plain()),
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    text.push('|');
    for cell in cells {
        text.push(' ');
        text.push_str(&cell);
        text.push_str(" |");
    }
    text.push('\n');
}
