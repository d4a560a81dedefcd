//! Fig. 14: images of low, middling and high separableness.

use super::block;
use super::drawing::{BOTH_OUTLINED, compared, mask, tile};
use super::subject::{Subject, at};
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::report::Section;
use crate::study::results::outcome::dice;
use crate::study::results::separableness::separableness;
use crate::train::Loss;

/// Quantiles of the examples among the images from the lowest Dice of S_x to the highest, and their names.
const QUANTILES: [(f64, &str); 3] = [(0.1, "low"), (0.5, "middling"), (0.9, "high")];

pub(super) fn row(subject: &Subject) -> Result<PictureRow, StudyError> {
    let ranked = subject.ranked(separableness);
    let mut tiles = Vec::new();
    for image in QUANTILES.iter().filter_map(|&(place, _)| at(&ranked, place)) {
        let pass = subject.forward(Loss::Online, image, &[])?;
        let record = &subject.records(Loss::Online)[image];
        let truth = &subject.samples[image].labels;
        tiles.extend([
            tile(
                compared(subject.picture(image), &pass.mask()?, truth),
                format!("output: Dice {:.2}", dice(record)),
            ),
            tile(
                mask(&pass.separation()?),
                format!("S_x: Dice {:.2}", separableness(record)),
            ),
        ]);
    }
    Ok(PictureRow {
        heading: subject.set.name().into(),
        tiles,
    })
}

pub(super) fn section(rows: Vec<PictureRow>) -> Section {
    let columns = QUANTILES
        .iter()
        .flat_map(|(_, name)| [format!("{name} separableness"), "S_x".into()]);
    let figure = Pictures {
        title: "Images whose own values separate the object badly and well".into(),
        columns: columns.collect(),
        rows,
        ..Pictures::default()
    };
    let caption = format!(
        "Images of low, middling and high separableness: the clean test images at a tenth, the half and nine tenths of the ranking by the \
         Dice of S_x, which is the SAM of the image's own channels with prototypes by the online network's mask (Fig. 14 of the paper). \
         {BOTH_OUTLINED}"
    );
    Section::new(
        "fig14",
        "Fig. 14: separableness in pictures",
        [block("fig14-separableness", &caption, figure)],
    )
}
