//! The text output of `sagate evaluate`.

use sagate_lab::study::evaluate::AurcVariant;
use sagate_lab::study::table::Table;

use super::{Evaluation, group, truth};
use crate::cli::out;

/// Prints the tables, as text or as Markdown.
///
/// # Errors
/// Stdout cannot be written.
pub(super) fn evaluation(evaluation: &Evaluation, area: AurcVariant, markdown: bool) -> anyhow::Result<()> {
    out::line(&format!("{} on {}", evaluation.model, evaluation.data))?;
    print(&group::table(&evaluation.groups), markdown)?;
    match &evaluation.no_truth {
        None => {
            out::line("")?;
            print(&truth::ranking_table(&evaluation.all), markdown)?;
            titled(&truth::metrics_table(&evaluation.scores, area), markdown)
        }
        Some(no_truth) => {
            for table in no_truth.tables() {
                titled(&table, markdown)?;
            }
            out::line("\nThere is no ground truth, so this cannot be said:")?;
            for words in &no_truth.cannot_say {
                out::line(&format!("- {words}"))?;
            }
            Ok(())
        }
    }
}

/// A table below its title and above its note.
fn titled(table: &Table, markdown: bool) -> anyhow::Result<()> {
    out::line(&format!("\n{}", table.title))?;
    print(table, markdown)?;
    match &table.note {
        Some(note) => Ok(out::line(&format!("\n{note}"))?),
        None => Ok(()),
    }
}

fn print(table: &Table, markdown: bool) -> anyhow::Result<()> {
    let headings: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    let rows = table.rows.iter().map(|row| row.0.iter().map(|cell| cell.plain()));
    if !markdown {
        let mut printed = out::table(&headings);
        for row in rows {
            printed.add_row(row);
        }
        return Ok(out::print(&printed)?);
    }
    out::line(&format!("\n| {} |", headings.join(" | ")))?;
    out::line(&format!("|{}", "---|".repeat(headings.len())))?;
    for row in rows {
        out::line(&format!("| {} |", row.collect::<Vec<_>>().join(" | ")))?;
    }
    Ok(())
}
