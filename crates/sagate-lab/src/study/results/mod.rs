//! What a study's outcomes say: tables, figures, claims. One file a question.

mod buckets;
mod claims;
mod correlation;
mod costs;
mod heads;
mod layers;
mod masks;
mod method;
mod noise;
mod outcome;
mod pictures;
mod pruning;
mod rivals;
mod separableness;
mod shift;
mod table1;
mod table2;
mod units;
mod variants;

use std::cell::OnceCell;

use super::error::StudyError;
use super::judge::Area;
use super::report::{Block, Report};
use super::run::Study;
use rivals::Judged;

pub use outcome::{Estimate, Outcome, Outcomes};

/// A figure or a table of the paper's or beyond, by the name that `--only` takes: it is the id of its section.
pub const PARTS: [&str; 22] = [
    "claims",
    "table1",
    "table2",
    "table3",
    "layers",
    "units",
    "correlation",
    "buckets",
    "noise",
    "rivals",
    "costs",
    "shift",
    "heads",
    "masks",
    "variants",
    "pruning",
    "fig1",
    "fig6",
    "fig8",
    "fig9",
    "fig12",
    "fig14",
];

/// The paper's number of a figure that is shown in a part of another name.
const FIGURES: [(&str, &str); 8] = [
    ("fig2", "fig1"),
    ("fig5", "layers"),
    ("fig7", "units"),
    ("fig10", "correlation"),
    ("fig11", "buckets"),
    ("fig13", "fig12"),
    ("fig15", "table3"),
    ("fig16", "noise"),
];

/// The part that a name means: its own, or the number of a figure of the paper's that it holds.
pub fn part(name: &str) -> Option<&'static str> {
    let of_figure = FIGURES
        .iter()
        .find(|(figure, _)| *figure == name)
        .map(|(_, part)| *part);
    PARTS.into_iter().find(|part| *part == name).or(of_figure)
}

/// The report of a study whose jobs are done: all parts, or those that are named.
///
/// # Errors
/// Outcomes that cannot be read.
pub fn report(study: &Study, only: &[&str], area: Area) -> Result<Report, StudyError> {
    let outcomes = Outcomes::read(study)?;
    let judged = OnceCell::new();
    let judged = || match judged.get() {
        Some(judged) => Ok::<&Judged, StudyError>(judged),
        None => {
            let made = Judged::new(study.workers(), &outcomes, area)?;
            Ok(judged.get_or_init(|| made))
        }
    };
    let mut sections = vec![method::section(study)];
    for part in PARTS
        .into_iter()
        .filter(|part| only.is_empty() || only.contains(part))
    {
        sections.push(match part {
            "claims" => claims::section(study, &outcomes)?,
            "table1" => table1::section(&outcomes),
            "table2" => table2::section(&outcomes),
            "table3" => separableness::section(&outcomes),
            "layers" => layers::section(&outcomes),
            "units" => units::section(&outcomes),
            "correlation" => correlation::section(&outcomes),
            "buckets" => buckets::section(&outcomes),
            "noise" => noise::section(study)?,
            "rivals" => rivals::section(judged()?),
            "costs" => costs::section(study, judged()?)?,
            "shift" => shift::section(&outcomes),
            "heads" => heads::section(study, &outcomes)?,
            "masks" => masks::section(study, &outcomes)?,
            "variants" => variants::section(study)?,
            "pruning" => pruning::section(study, &outcomes)?,
            picture => pictures::section(study, &outcomes, picture)?,
        });
    }
    Ok(Report {
        title: format!("Segmentation ability: the {} study", study.profile.name),
        lead: method::lead(study).into_iter().map(Block::Paragraph).collect(),
        sections,
    })
}
