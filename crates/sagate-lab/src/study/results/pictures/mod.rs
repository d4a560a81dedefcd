//! The paper's figures that show images. One file a figure or a pair; every example is picked by a rule, which stands below it.

mod average;
mod drawing;
mod features;
mod forward_pass;
mod layers;
mod ranking;
mod separable;
mod subject;
mod units;

use super::outcome::Outcomes;
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::pool::each;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use subject::Subject;

/// In the captions of figures that show images: what is shown of those of several channels.
const SHOWN: &str = "Shown of each image: FLAIR (brats-like), the colours (isic-like), T2 (prostate-like), else its one channel.";

/// Placeholder for a figure without examples.
const NO_EXAMPLE: &str =
    "No set has a clean test image in which both networks found an object: there is nothing to show.";

/// The section of a figure, by its id among the report's parts.
///
/// # Errors
/// Networks that cannot be read or run.
///
/// # Panics
/// Where no part with pictures has that id.
pub(super) fn section(study: &Study, outcomes: &Outcomes, id: &str) -> Result<Section, StudyError> {
    let rows = |of: Rows| -> Result<Vec<PictureRow>, StudyError> {
        let rows = each(study.sets(), study.workers(), |&set| {
            of(&Subject::read(study, outcomes, set)?)
        })?;
        Ok(rows.concat())
    };
    Ok(match id {
        "fig1" => features::section(rows(features::rows)?),
        "fig6" => layers::section(rows(layers::rows)?),
        "fig8" => units::section(rows(units::rows)?),
        "fig9" => average::section(rows(average::rows)?),
        "fig12" => ranking::section(
            rows(|subject| Ok(ranking::rows(subject)?[..1].to_vec()))?,
            rows(|subject| Ok(ranking::rows(subject)?[1..].to_vec()))?,
        ),
        "fig14" => separable::section(rows(|subject| Ok(vec![separable::row(subject)?]))?),
        other => panic!("{other} is no part of a report"),
    })
}

/// The rows of a set in a figure.
type Rows = fn(&Subject<'_>) -> Result<Vec<PictureRow>, StudyError>;

/// A figure, or a placeholder where it has no rows.
fn block(id: &str, caption: &str, figure: Pictures) -> Block {
    if figure.rows.is_empty() {
        return Block::paragraph(NO_EXAMPLE);
    }
    Block::figure(id, format!("{caption} {SHOWN}"), figure)
}
