//! Fig. 6: the SAMs of layers, of networks trained offline and online.

use protoseg::Metric;

use super::block;
use super::drawing::{TRUTH_OUTLINED, colours, mask, outlined, share, tile};
use super::subject::{MEDIAN, Subject};
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::plan::LOSSES;
use crate::study::report::Section;
use crate::study::results::outcome::dice;

/// The second layer of each of the nine blocks.
const LAYERS: [usize; 9] = [2, 4, 6, 8, 10, 12, 14, 16, 18];

pub(super) fn rows(subject: &Subject) -> Result<Vec<PictureRow>, StudyError> {
    let Some(image) = subject.example(0.5) else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for loss in LOSSES {
        let pass = subject.forward(loss, image, &LAYERS)?;
        let record = &subject.records(loss)[image];
        let truth = &subject.samples[image].labels;
        let mut tiles = vec![tile(outlined(subject.picture(image), truth), "")];
        for layer in LAYERS {
            let score = Metric::Dice.score(record.pass.layers[layer - 1].truth);
            tiles.push(tile(share(&pass.layer(layer)?), format!("{score:.2}")));
        }
        tiles.push(tile(mask(&pass.mask()?), format!("{:.2}", dice(record))));
        rows.push(PictureRow {
            heading: format!("{} {loss}", subject.set.name()),
            tiles,
        });
    }
    Ok(rows)
}

pub(super) fn section(rows: Vec<PictureRow>) -> Section {
    let layers = LAYERS.map(|layer| format!("layer {layer}"));
    let columns = ["image".to_owned()]
        .into_iter()
        .chain(layers)
        .chain(["output".to_owned()]);
    let figure = Pictures {
        title: "What each layer sees, by networks trained offline and online".into(),
        columns: columns.collect(),
        rows,
        scale: colours("probability of the object"),
        ..Pictures::default()
    };
    let caption = format!(
        "Probability maps of the SAMs of the second layer of each block, and the network's mask (Fig. 6 of the paper). Below each: its SA \
         score against the truth; for the mask its Dice. {MEDIAN} {TRUTH_OUTLINED}"
    );
    Section::new(
        "fig6",
        "Fig. 6: SAMs of the layers",
        [block("fig6-sams", &caption, figure)],
    )
}
