//! Tables as CSV.

use super::{Cell, Column, Row, Table};

pub(super) fn write(table: &Table) -> String {
    let wide: Vec<bool> = (0..table.columns.len())
        .map(|column| {
            let mut cells = table.rows.iter().map(|row| &row.0[column]);
            cells.any(|cell| matches!(cell, Cell::Estimate { .. }))
        })
        .collect();
    let mut text = String::new();
    let headings = table.columns.iter().zip(&wide);
    line(
        &mut text,
        headings.flat_map(|(column, &wide)| heading(column, wide)),
    );
    for Row(cells) in &table.rows {
        let fields = cells.iter().zip(&wide);
        line(&mut text, fields.flat_map(|(cell, &wide)| fields_of(cell, wide)));
    }
    text
}

fn heading(column: &Column, wide: bool) -> Vec<String> {
    let title = column.title();
    if wide {
        ["", " sd", " low", " high"]
            .map(|suffix| format!("{title}{suffix}"))
            .to_vec()
    } else {
        vec![title]
    }
}

fn fields_of(cell: &Cell, wide: bool) -> Vec<String> {
    let mut fields = match cell {
        Cell::Text { text } => vec![text.clone()],
        Cell::Number { value, .. } | Cell::Percent { share: value, .. } => vec![number(*value)],
        Cell::Count { count } => vec![count.to_string()],
        Cell::Missing { .. } => vec![String::new()],
        Cell::Estimate {
            mean, sd, low, high, ..
        } => vec![
            number(*mean),
            sd.map_or_else(String::new, number),
            number(*low),
            number(*high),
        ],
    };
    fields.resize(if wide { 4 } else { 1 }, String::new());
    fields
}

/// The shortest text that reads back as the same number, with an exponent where it is very long.
fn number(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() > 24 {
        format!("{value:e}")
    } else {
        plain
    }
}

fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    let first = text.len();
    for (index, field) in fields.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) || field.trim() != field {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    // A line without a character would read as no line at all.
    if text.len() == first {
        text.push_str("\"\"");
    }
    text.push_str("\r\n");
}
