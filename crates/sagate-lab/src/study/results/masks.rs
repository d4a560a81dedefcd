//! Hard against soft masks, and SAMs at the image's resolution against SAMs at the layer's own.

use sagate_core::nn::layers::{Group, LAYERS};

use super::outcome::{DIGITS, Estimate, Outcomes};
use crate::study::error::StudyError;
use crate::study::figure::{Axis, Figure, LinePanel, Lines, Series};
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::set::Set;
use crate::study::table::{Cell, Column, Table};
use crate::train::Loss;

/// The ways to score, as tables name them.
const MASK_VARIANTS: [&str; 3] = ["hard, image", "soft, image", "hard, layer"];

pub(super) fn section(study: &Study, outcomes: &Outcomes) -> Result<Section, StudyError> {
    let columns = ["set", "loss", "mask, resolution"].map(str::to_owned);
    let columns = columns
        .into_iter()
        .chain(Group::ALL.map(|group| format!("{group} layers")));
    let mut table = Table::new(
        "masks-by-group",
        "Mean SA score against the network's output over clean test images, by group of layers",
        columns.map(Column::new),
    );
    let mut panels = Vec::new();
    for &set in study.sets() {
        for loss in LOSSES {
            let outcome = outcomes.get(set, loss);
            let masks = study.masks(&outcome.network)?;
            let ways = [&masks.hard, &masks.soft, &masks.layer];
            for (name, way) in MASK_VARIANTS.into_iter().zip(ways) {
                let cells = Group::ALL.map(|group| {
                    let of_image = |scores: &Vec<f64>| {
                        let of_group = LAYERS
                            .iter()
                            .zip(scores)
                            .filter(|(layer, _)| layer.group == group);
                        let (sum, count) =
                            of_group.fold((0.0, 0.0), |(sum, count), (_, score)| (sum + score, count + 1.0));
                        sum / count
                    };
                    let values: Vec<f64> = way.iter().map(of_image).collect();
                    let it = Estimate::new(&values, &outcome.clean_bootstrap);
                    Cell::estimate(it.mean, None, it.low, it.high, DIGITS)
                });
                let head = [set.name().to_owned(), loss.to_string(), name.to_owned()].map(Cell::text);
                table.push(head.into_iter().chain(cells));
            }
            if loss == Loss::Online {
                panels.push(panel(set, ways));
            }
        }
    }
    let figure = Lines {
        title: "SA score by mask and resolution, online networks".into(),
        x: Axis::new("layer"),
        y: Axis::new("mean SA score").range(0.0, 1.0),
        panels,
        ..Lines::default()
    };
    let blocks = [
        Block::Paragraph(
            "Prototypes by the network's mask (hard) or by its probabilities (soft), and SAMs held against the output at the image's \
             resolution or, with the mask averaged down, at the layer's own. mu's layers 17 and 18 have the image's resolution, so only the \
             mask matters to mu: mu with soft prototypes is among the baselines."
                .into(),
        ),
        Block::Figure {
            id: "masks-layers".into(),
            caption: "Mean SA score of each layer's SAM against the network's output, by mask and resolution.".into(),
            figure: Box::new(Figure::Lines(figure)),
        },
        Block::Table(table),
    ];
    Ok(Section::new("masks", "Masks and resolutions", blocks))
}

fn panel(set: Set, ways: [&Vec<Vec<f64>>; 3]) -> LinePanel {
    let series = MASK_VARIANTS.into_iter().zip(ways).map(|(name, way)| Series {
        name: name.into(),
        x: (1..=LAYERS.len()).map(|layer| layer as f64).collect(),
        y: (0..LAYERS.len())
            .map(|layer| way.iter().map(|image| image[layer]).sum::<f64>() / way.len() as f64)
            .collect(),
        band: None,
        dashed: false,
    });
    LinePanel {
        title: set.name().into(),
        series: series.collect(),
        marks: Vec::new(),
    }
}
