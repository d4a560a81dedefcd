//! Fig. 5: the SA score of every layer.

use protoseg::Metric;
use sagate_core::nn::layers::LAYER_COUNT;

use super::outcome::Outcomes;
use crate::study::figure::{Axis, Band, Figure, LinePanel, Lines, Series};
use crate::study::plan::LOSSES;
use crate::study::report::{Block, Section};
use crate::study::set::Set;

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let blocks = [(true, "fig5-truth", "the truth"), (false, "fig5-output", "the network's output")].map(
        |(truth, id, reference)| Block::Figure {
            id: id.into(),
            caption: format!(
                "Mean SA score of each layer's SAM against {reference} over the clean test images, with its 95 % interval (Fig. 5 of the \
                 paper). Layers 1 to 4 are early, 5 to 14 deep, 15 to 18 late."
            ),
            figure: Box::new(Figure::Lines(figure(outcomes, truth, reference))),
        },
    );
    Section::new("layers", "Fig. 5: SA score by layer", blocks)
}

fn figure(outcomes: &Outcomes, truth: bool, reference: &str) -> Lines {
    let panel = |set: Set| LinePanel {
        title: set.name().into(),
        series: LOSSES
            .map(|loss| {
                let outcome = outcomes.get(set, loss);
                let layer = |layer: usize| {
                    outcome.estimate(|record| {
                        let counts = &record.pass.layers[layer];
                        Metric::Dice.score(if truth { counts.truth } else { counts.output })
                    })
                };
                let layers: Vec<_> = (0..LAYER_COUNT).map(layer).collect();
                Series {
                    name: loss.to_string(),
                    x: (1..=LAYER_COUNT).map(|layer| layer as f64).collect(),
                    y: layers.iter().map(|it| it.mean).collect(),
                    band: Some(Band {
                        low: layers.iter().map(|it| it.low).collect(),
                        high: layers.iter().map(|it| it.high).collect(),
                    }),
                    dashed: false,
                }
            })
            .into(),
        marks: Vec::new(),
    };
    Lines {
        title: format!("SA score of each layer against {reference}"),
        x: Axis::new("layer"),
        y: Axis::new("mean SA score").range(0.0, 1.0),
        panels: outcomes.sets().iter().copied().map(panel).collect(),
        ..Lines::default()
    }
}
