//! What a study's outcomes say: tables, figures, claims. One file a question.

mod buckets;
mod claims;
mod correlation;
mod costs;
mod layers;
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

use super::error::StudyError;
use super::judge::Area;
use super::report::{Block, Report, Section};
use super::run::Study;
pub use outcome::{Estimate, Outcome, Outcomes};

/// A figure or a table of the paper's or beyond, by the name that `--only` takes: it is the id of its section.
pub const PARTS: [&str; 20] = [
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
    "variants",
    "pruning",
    "fig1",
    "fig6",
    "fig8",
    "fig9",
    "fig12",
    "fig14",
];

/// The report of a study whose jobs are done: all parts, or those that are named.
///
/// # Errors
/// Outcomes that cannot be read.
pub fn report(study: &Study, only: &[String], area: Area) -> Result<Report, StudyError> {
    let outcomes = Outcomes::read(study)?;
    let judged = rivals::Judged::new(study.workers(), &outcomes, area)?;
    let mut parts: Vec<Section> = vec![
        claims::section(study, &outcomes)?,
        table1::section(&outcomes),
        table2::section(&outcomes),
        separableness::section(&outcomes),
        layers::section(&outcomes),
        units::section(&outcomes),
        correlation::section(&outcomes),
        buckets::section(&outcomes),
        noise::section(study)?,
        rivals::section(&judged),
        costs::section(study, &judged)?,
        shift::section(&outcomes),
        variants::section(study)?,
        pruning::section(study, &outcomes)?,
    ];
    parts.extend(pictures::sections(study, &outcomes)?);
    let wanted = |section: &Section| only.is_empty() || only.contains(&section.id);
    let mut sections = vec![method::section(study)];
    sections.extend(parts.into_iter().filter(wanted));
    Ok(Report {
        title: format!("Segmentation ability: the {} study", study.profile.name),
        lead: method::lead(study).into_iter().map(Block::Paragraph).collect(),
        sections,
    })
}
