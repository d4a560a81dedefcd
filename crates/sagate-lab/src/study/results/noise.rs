//! Fig. 16: effect of noise on each layer.

use sagate_core::nn::layers::LAYER_COUNT;

use crate::study::error::StudyError;
use crate::study::figure::{Axis, Figure, LinePanel, Lines, Series};
use crate::study::network::Network;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::train::Loss;

/// Levels that are drawn: every other one of ten is enough to see.
const DRAWN: [f64; 4] = [0.1, 0.3, 0.6, 1.0];

pub(super) fn section(study: &Study) -> Result<Section, StudyError> {
    let mut panels = Vec::new();
    for &set in study.sets() {
        let noise = study.noise(&Network::main(set, Loss::Online))?;
        let drawn = noise.levels.iter().zip(&noise.layers);
        let drawn = drawn.filter(|(level, _)| DRAWN.iter().any(|wanted| (*level - wanted).abs() < 1e-9));
        let series = drawn.map(|(level, layers)| Series {
            name: format!("noise {level:.1}"),
            x: (1..=LAYER_COUNT).map(|layer| layer as f64).collect(),
            y: layers
                .iter()
                .zip(&noise.layers[0])
                .map(|(noisy, clean)| noisy - clean)
                .collect(),
            band: None,
            dashed: false,
        });
        panels.push(LinePanel {
            title: set.name().into(),
            series: series.collect(),
            marks: Vec::new(),
        });
    }
    let figure = Lines {
        title: "SA difference by layer and noise".into(),
        x: Axis::new("layer"),
        y: Axis::new("SA score with noise less without"),
        panels,
        ..Lines::default()
    };
    let block = Block::Figure {
        id: "fig16".into(),
        caption: "How the mean SA score against the truth changes when noise, uniform from 0 to the given share of the image's range, is \
                  added to the prepared image, by layer of the online network (Fig. 16 of the paper); noise of 0.1 to 1 was measured."
            .into(),
        figure: Box::new(Figure::Lines(figure)),
    };
    Ok(Section::new("noise", "Fig. 16: noise by layer", [block]))
}
