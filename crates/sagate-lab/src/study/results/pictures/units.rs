//! Fig. 8: SAMs of the best, the middle and the worst unit of the last layer.

use super::block;
use super::drawing::{TRUTH_OUTLINED, colours, mask, outlined, response, tile};
use super::subject::{MEDIAN, Subject, at};
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::report::Section;
use crate::study::results::outcome::dice;
use crate::train::Loss;

const LAYER: usize = 18;

/// Quantiles of the units that are shown, among all from the best to the worst.
const QUANTILES: [f64; 3] = [0.0, 0.5, 1.0];

pub(super) fn rows(subject: &Subject) -> Result<Vec<PictureRow>, StudyError> {
    let Some(image) = subject.example(0.5) else {
        return Ok(Vec::new());
    };
    let pass = subject.forward(Loss::Online, image, &[LAYER])?;
    let mut units = pass.units(LAYER)?;
    units.sort_by(|a, b| b.score.total_cmp(&a.score));
    let truth = &subject.samples[image].labels;
    let mut tiles = vec![tile(outlined(subject.picture(image), truth), "")];
    for unit in QUANTILES.into_iter().filter_map(|place| at(&units, place)) {
        tiles.push(tile(
            response(&pass.response(unit)?),
            format!("unit {} of {}", unit.index + 1, units.len()),
        ));
        tiles.push(tile(mask(&pass.unit_sam(unit)?), format!("SA {:.2}", unit.score)));
    }
    let dice = dice(&subject.records(Loss::Online)[image]);
    tiles.push(tile(mask(&pass.mask()?), format!("Dice {dice:.2}")));
    Ok(vec![PictureRow {
        heading: subject.set.name().into(),
        tiles,
    }])
}

pub(super) fn section(rows: Vec<PictureRow>) -> Section {
    let columns = [
        "image",
        "best unit",
        "its SAM",
        "middle unit",
        "its SAM",
        "worst unit",
        "its SAM",
        "output",
    ];
    let figure = Pictures {
        title: "The best, the middle and the worst unit of layer 18".into(),
        columns: columns.map(String::from).into(),
        rows,
        scale: colours("response, as a share of the feature map's greatest"),
        ..Pictures::default()
    };
    let caption = format!(
        "Feature map and SAM of the unit with the highest, the middle and the lowest SA score in layer 18 of the online network (Fig. 8 of \
         the paper), and the network's mask. SA: SA score against that mask; Dice: the mask's, against the truth. {MEDIAN} {TRUTH_OUTLINED}"
    );
    Section::new(
        "fig8",
        "Fig. 8: single units",
        [block("fig8-units", &caption, figure)],
    )
}
