//! Fig. 12 and 13: the images with the lowest and the highest mu, with heat maps of the units.

use super::average::LAYER;
use super::block;
use super::drawing::{BOTH_OUTLINED, colours, compared, share, tile};
use super::subject::Subject;
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures};
use crate::study::report::{Block, Section};
use crate::study::results::outcome::dice;
use crate::train::Loss;

/// Images from either end of the ranking.
const ENDS: usize = 4;

/// A set's row of Fig. 12 and of Fig. 13.
pub(super) fn rows(subject: &Subject) -> Result<[PictureRow; 2], StudyError> {
    let ranked = subject.ranked(|record| record.pass.mu);
    let count = ENDS.min(ranked.len() / 2);
    let low = ranked[..count].iter().map(Some);
    let high = ranked[ranked.len() - count..].iter().map(Some);
    let absent = || std::iter::repeat_n(None, ENDS - count);
    let (mut images, mut heats) = (Vec::new(), Vec::new());
    for image in low.chain(absent()).chain(absent()).chain(high) {
        let Some(&image) = image else {
            images.push(None);
            heats.push(None);
            continue;
        };
        let pass = subject.forward(Loss::Online, image, &[LAYER])?;
        let record = &subject.records(Loss::Online)[image];
        let caption = format!("mu {:.2}, Dice {:.2}", record.pass.mu, dice(record));
        let truth = &subject.samples[image].labels;
        images.push(tile(
            compared(subject.picture(image), &pass.mask()?, truth),
            caption.clone(),
        ));
        heats.push(tile(share(&pass.average(LAYER)?), caption));
    }
    Ok([images, heats].map(|tiles| PictureRow {
        heading: subject.set.name().into(),
        tiles,
    }))
}

pub(super) fn section(images: Vec<PictureRow>, heats: Vec<PictureRow>) -> Section {
    let low = (1..=ENDS).map(|rank| format!("lowest mu, {rank}"));
    let high = (1..=ENDS).rev().map(|rank| format!("highest mu, {rank}"));
    let columns: Vec<String> = low.chain(high).collect();
    let ranking = Pictures {
        title: "Test images with the lowest and the highest mu".into(),
        columns: columns.clone(),
        rows: images,
        ..Pictures::default()
    };
    let units = Pictures {
        title: "What the units of layer 18 see of the same images".into(),
        columns,
        rows: heats,
        scale: colours("share of the units whose SAM holds the pixel"),
        ..Pictures::default()
    };
    let ranked = format!(
        "The {ENDS} clean test images of each set to which the online network gives the lowest mu and the {ENDS} with the highest, with \
         their Dice (Fig. 12 of the paper). mu is 0 where the mask is empty. {BOTH_OUTLINED}"
    );
    let seen = "The average of the SAMs of all units of layer 18 for the images of [the ranking](#fig12-ranking) (Fig. 13 of the paper). \
                It is 0 everywhere where the mask is empty.";
    Section::new(
        "fig12",
        "Fig. 12, 13: images ranked by mu",
        [
            block("fig12-ranking", &ranked, ranking),
            Block::figure("fig13-heat", seen, units),
        ],
    )
}
