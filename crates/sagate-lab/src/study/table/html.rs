//! Tables in HTML.

use std::fmt::Write;

use super::{Cell, Table};
use crate::study::escape::xml;

pub(super) fn write(table: &Table, caption: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "<table class=\"sortable\"><caption>{caption}</caption>");
    text.push_str("<thead><tr>");
    let numbers: Vec<bool> = (0..table.columns.len())
        .map(|column| table.rows.iter().any(|row| row.0[column].value().is_some()))
        .collect();
    for (column, &number) in table.columns.iter().zip(&numbers) {
        let _ = write!(
            text,
            "<th scope=\"col\"{}>{}</th>",
            class(number),
            xml(&column.title())
        );
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        text.push_str("<tr>");
        for (index, (cell, &number)) in row.0.iter().zip(&numbers).enumerate() {
            let heads = index == 0 && matches!(cell, Cell::Text { .. });
            let (element, scope) = if heads {
                ("th", " scope=\"row\"")
            } else {
                ("td", "")
            };
            let _ = write!(
                text,
                "<{element}{scope}{}{}>{}</{element}>",
                class(number && !heads),
                sorts_by(cell),
                shown(cell)
            );
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table>\n");
    text
}

fn class(number: bool) -> &'static str {
    if number { " class=\"number\"" } else { "" }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Missing { .. } => format!("<span class=\"missing\">{}</span>", xml(&cell.plain())),
        Cell::Estimate { .. } => {
            let plain = xml(&cell.plain());
            match plain.split_once(" (") {
                Some((mean, interval)) => format!("{mean} <span class=\"interval\">({interval}</span>"),
                None => plain,
            }
        }
        _ => xml(&cell.plain()),
    }
}

/// The whole number; words sort by what is seen, and a cell without a value goes last.
fn sorts_by(cell: &Cell) -> String {
    match (cell, cell.value()) {
        (Cell::Missing { .. }, _) => " data-missing".to_owned(),
        (_, Some(value)) if value.is_nan() => " data-missing".to_owned(),
        (_, Some(value)) => format!(" data-value=\"{value}\""),
        (_, None) => String::new(),
    }
}
