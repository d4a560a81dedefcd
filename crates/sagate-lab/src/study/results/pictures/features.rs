//! Fig. 1 and 2: feature maps that respond on the object, on the background and on both, and their SAMs.

use ndarray::Array2;

use super::block;
use super::drawing::{TRUTH_OUTLINED, colours, mask, outlined, response, tile};
use super::forward_pass::{ForwardPass, Unit};
use super::subject::{MEDIAN, Subject};
use crate::study::error::StudyError;
use crate::study::figure::{PictureRow, Pictures, Tile};
use crate::study::report::Section;
use crate::train::Loss;

/// The layers at the image's resolution.
const LAYERS: [usize; 4] = [1, 2, 17, 18];

/// What a unit's balance is nearest to in each pair of columns: it responds on the object, on the background, on both.
const BALANCES: [f64; 3] = [1.0, -1.0, 0.0];

pub(super) fn rows(subject: &Subject) -> Result<Vec<PictureRow>, StudyError> {
    let Some(image) = subject.example(0.5) else {
        return Ok(Vec::new());
    };
    let pass = subject.forward(Loss::Offline, image, &LAYERS)?;
    let truth = &subject.samples[image].labels;
    let mut units = Vec::new();
    for layer in LAYERS {
        for unit in pass.units(layer)? {
            let balance = balance(&pass.response(unit)?, truth);
            units.extend(balance.map(|balance| (unit, balance)));
        }
    }
    let mut tiles = vec![tile(outlined(subject.picture(image), truth), "")];
    for wanted in BALANCES {
        let nearest = units
            .iter()
            .min_by(|a, b| (a.1 - wanted).abs().total_cmp(&(b.1 - wanted).abs()));
        match nearest {
            Some(&(unit, _)) => tiles.extend(pair(&pass, unit)?),
            None => tiles.extend([None, None]),
        }
    }
    Ok(vec![PictureRow {
        heading: subject.set.name().into(),
        tiles,
    }])
}

/// A unit's feature map and its SAM.
fn pair(pass: &ForwardPass, unit: Unit) -> Result<[Option<Tile>; 2], StudyError> {
    let Unit { layer, index, score } = unit;
    Ok([
        tile(
            response(&pass.response(unit)?),
            format!("layer {layer}, unit {}", index + 1),
        ),
        tile(mask(&pass.unit_sam(unit)?), format!("SA {score:.2}")),
    ])
}

/// From -1, where a unit responds on the background alone, to 1, on the object alone; none where it does not respond, or there is
/// no object or no background.
fn balance(response: &Array2<f32>, truth: &Array2<u8>) -> Option<f64> {
    let mean = |object: bool| {
        let (mut sum, mut count) = (0.0, 0u32);
        for (value, _) in response
            .iter()
            .zip(truth)
            .filter(|(_, label)| (**label > 0) == object)
        {
            sum += f64::from(*value);
            count += 1;
        }
        sum / f64::from(count)
    };
    let (object, background) = (mean(true), mean(false));
    let balance = (object - background) / (object + background);
    balance.is_finite().then_some(balance)
}

pub(super) fn section(rows: Vec<PictureRow>) -> Section {
    let columns = [
        "image",
        "on the object",
        "its SAM",
        "on the background",
        "its SAM",
        "on both",
        "its SAM",
    ];
    let figure = Pictures {
        title: "Where units respond, and how well each segments".into(),
        columns: columns.map(String::from).into(),
        rows,
        scale: colours("response, as a share of the feature map's greatest"),
        ..Pictures::default()
    };
    let caption = format!(
        "Feature maps of three units of the offline network and their SAMs (Fig. 1 and 2 of the paper). The paper reads from its own that \
         a unit which responds on the background can segment as well as one which responds on the object, and one which responds on both \
         cannot: the scores say whether that is so here. Of the units of layers 1, 2, 17 and 18 those are shown whose balance (o - b) / \
         (o + b) is nearest to 1, to -1 and to 0, where o and b are the mean responses on the true object and on the background. SA: SA \
         score against the network's output. {MEDIAN} {TRUTH_OUTLINED}"
    );
    Section::new(
        "fig1",
        "Fig. 1, 2: feature maps and their SAMs",
        [block("fig1-2", &caption, figure)],
    )
}
