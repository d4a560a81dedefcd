//! Validation of a report: ids, links, tables.

use std::collections::BTreeSet;

use super::inline::{self, Span};
use super::{Block, Report, ReportError};

pub(super) fn check(report: &Report) -> Result<(), ReportError> {
    let mut ids = BTreeSet::new();
    for section in report.all_sections() {
        enter(&mut ids, &section.id, || format!("section '{}'", section.title))?;
    }
    for (block, _) in report.blocks() {
        match block {
            Block::Table(table) => {
                enter(&mut ids, &table.id, || format!("table '{}'", table.title))?;
                table.check()?;
            }
            Block::Figure { id, figure, .. } => {
                enter(&mut ids, id, || format!("figure '{}'", figure.title()))?;
            }
            _ => {}
        }
    }
    let texts = report.blocks().into_iter().flat_map(|(block, _)| texts(block));
    for text in texts {
        links(&inline::parse(text), &ids)?;
    }
    Ok(())
}

fn enter<'a>(
    ids: &mut BTreeSet<&'a str>,
    id: &'a str,
    what: impl FnOnce() -> String,
) -> Result<(), ReportError> {
    let begins = id.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if !begins || id.len() > 100 || id.starts_with("times-") || !id.chars().all(inline::in_id) {
        return Err(ReportError::Id {
            what: what(),
            id: id.to_owned(),
        });
    }
    if !ids.insert(id) {
        return Err(ReportError::Twice { id: id.to_owned() });
    }
    Ok(())
}

/// The texts of a block that may hold links.
fn texts(block: &Block) -> Vec<&str> {
    match block {
        Block::Paragraph(text) => vec![text],
        Block::List(items) => items.iter().map(String::as_str).collect(),
        Block::Figure { caption, .. } => vec![caption],
        Block::Table(table) => table.note.iter().map(String::as_str).collect(),
        Block::Code(_) | Block::Times(_) => Vec::new(),
    }
}

fn links(spans: &[Span], ids: &BTreeSet<&str>) -> Result<(), ReportError> {
    for span in spans {
        match span {
            Span::Link { id, .. } if !ids.contains(id.as_str()) => {
                return Err(ReportError::Link { id: id.clone() });
            }
            Span::Link { words: inner, .. } | Span::Bold(inner) => links(inner, ids)?,
            Span::Text(_) | Span::Code(_) => {}
        }
    }
    Ok(())
}
