//! Fig. 9: the average of the last layer's unit SAMs beside the output.

use super::block;
use super::drawing::{TRUTH_OUTLINED, colours, mask, outlined, share, tile};
use super::subject::Subject;
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::report::Section;
use crate::study::results::outcome::dice;
use crate::train::Loss;

/// The layer whose units are averaged.
pub(super) const LAYER: usize = 18;

/// Quantiles of the examples among the images from the lowest Dice to the highest: the median and the lower quartile.
const QUANTILES: [f64; 2] = [0.5, 0.25];

pub(super) fn rows(subject: &Subject) -> Result<Vec<PictureRow>, StudyError> {
    let examples: Vec<usize> = QUANTILES
        .iter()
        .filter_map(|&place| subject.example(place))
        .collect();
    if examples.is_empty() {
        return Ok(Vec::new());
    }
    let mut tiles = Vec::new();
    for image in examples {
        let pass = subject.forward(Loss::Online, image, &[LAYER])?;
        let record = &subject.records(Loss::Online)[image];
        let truth = &subject.samples[image].labels;
        tiles.extend([
            tile(outlined(subject.picture(image), truth), ""),
            tile(share(&pass.average(LAYER)?), format!("mu {:.2}", record.pass.mu)),
            tile(share(&pass.probability()?), ""),
            tile(mask(&pass.mask()?), format!("Dice {:.2}", dice(record))),
        ]);
    }
    Ok(vec![PictureRow {
        heading: subject.set.name().into(),
        tiles,
    }])
}

pub(super) fn section(rows: Vec<PictureRow>) -> Section {
    let columns = ["median", "lower quartile"].into_iter().flat_map(|place| {
        ["image", "average unit map", "probability", "mask"].map(|column| match column {
            "image" => format!("image ({place})"),
            _ => column.to_owned(),
        })
    });
    let figure = Pictures {
        title: "The average unit map beside the network's output".into(),
        columns: columns.collect(),
        rows,
        scale: colours("share of the units whose SAM holds the pixel; probability of the object"),
        ..Pictures::default()
    };
    let caption = format!(
        "The average of the SAMs of all units of layer 18, the probability of the object and the mask, by the online network (Fig. 9 of \
         the paper). Two examples a set: the clean test images whose Dice is the median and the lower quartile, among those in which both \
         networks found an object. mu is over layers 17 and 18. {TRUTH_OUTLINED}"
    );
    Section::new(
        "fig9",
        "Fig. 9: the average unit map",
        [block("fig9-average", &caption, figure)],
    )
}
