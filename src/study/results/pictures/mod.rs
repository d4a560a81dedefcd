//! The paper's figures that show images. One file a figure or a pair; every example is picked by a rule, which stands below it.

mod average;
mod drawing;
mod features;
mod layers;
mod look;
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
use crate::study::set::Set;
use subject::Subject;

/// In the captions of figures that show images: what is shown of those of several channels.
const SHOWN: &str = "Shown of each image: FLAIR (brats-like), the colours (isic-like), T2 (prostate-like), else its one channel.";

/// What stands for a figure that no set has an example for.
const NO_EXAMPLE: &str =
    "No set has a clean test image in which both networks found an object: there is nothing to show.";

/// The rows that a set gives to each figure.
struct Rows {
    features: Vec<PictureRow>,
    layers: Vec<PictureRow>,
    units: Vec<PictureRow>,
    average: Vec<PictureRow>,
    ranking: [PictureRow; 2],
    separable: PictureRow,
}

impl Rows {
    fn new(study: &Study, outcomes: &Outcomes, set: Set) -> Result<Rows, StudyError> {
        let subject = Subject::read(study, outcomes, set)?;
        Ok(Rows {
            features: features::rows(&subject)?,
            layers: layers::rows(&subject)?,
            units: units::rows(&subject)?,
            average: average::rows(&subject)?,
            ranking: ranking::rows(&subject)?,
            separable: separable::row(&subject)?,
        })
    }
}

/// The sections, in the paper's order.
///
/// # Errors
/// Networks that cannot be read or run.
pub(super) fn sections(study: &Study, outcomes: &Outcomes) -> Result<Vec<Section>, StudyError> {
    let rows = each(&Set::ALL, study.workers(), |&set| Rows::new(study, outcomes, set))?;
    let of = |of: fn(&Rows) -> &[PictureRow]| rows.iter().flat_map(of).cloned().collect::<Vec<_>>();
    Ok(vec![
        features::section(of(|rows| &rows.features)),
        layers::section(of(|rows| &rows.layers)),
        units::section(of(|rows| &rows.units)),
        average::section(of(|rows| &rows.average)),
        ranking::section(of(|rows| &rows.ranking[..1]), of(|rows| &rows.ranking[1..])),
        separable::section(of(|rows| std::slice::from_ref(&rows.separable))),
    ])
}

/// A figure, or words in its place where it has no rows.
fn block(id: &str, caption: &str, figure: Pictures) -> Block {
    if figure.rows.is_empty() {
        return Block::paragraph(NO_EXAMPLE);
    }
    Block::figure(id, format!("{caption} {SHOWN}"), figure)
}
