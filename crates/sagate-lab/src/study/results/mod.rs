//! The report of a study: tables, figures and claims, one file a section.

mod baselines;
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
mod separableness;
mod shift;
mod table1;
mod table2;
mod units;
mod variants;

use std::cell::OnceCell;

use super::error::StudyError;
use super::evaluate::AurcVariant;
use super::report::{Block, Report};
use super::run::Study;
use baselines::EvaluatedScores;

pub use outcome::{Estimate, Outcome, Outcomes};

/// The parts of the report, each named by its section's id, as `--only` takes it.
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
    "baselines",
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

/// The paper's figures that a part of another name contains.
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

/// The part of a name: the name of a part, or of a figure of the paper that a part contains.
pub fn part(name: &str) -> Option<&'static str> {
    let by_figure = FIGURES
        .iter()
        .find(|(figure, _)| *figure == name)
        .map(|(_, part)| *part);
    PARTS.into_iter().find(|part| *part == name).or(by_figure)
}

/// The report of a study whose jobs are done: all parts, or those that are named.
///
/// # Errors
/// Outcomes that cannot be read.
pub fn report(study: &Study, only: &[&str], area: AurcVariant) -> Result<Report, StudyError> {
    let outcomes = Outcomes::read(study)?;
    let evaluated = OnceCell::new();
    let evaluated = || match evaluated.get() {
        Some(evaluated) => Ok::<&EvaluatedScores, StudyError>(evaluated),
        None => {
            let made = EvaluatedScores::new(study.workers(), &outcomes, area)?;
            Ok(evaluated.get_or_init(|| made))
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
            "baselines" => baselines::section(evaluated()?),
            "costs" => costs::section(study, evaluated()?)?,
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
