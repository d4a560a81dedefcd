//! Fig. 10: mu against Dice, and the variance of gradients against Dice.

use sagate_core::gate::evaluation::{Scored, pearson, spearman};

use super::outcome::{Outcome, Outcomes, dice};
use crate::study::figure::{Axis, Figure, Group, Scatter, ScatterPanel, Trend};
use crate::study::report::{Block, Section};
use crate::train::Loss;

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let figures = [
        ("fig10-mu", "mu", "mean SA score mu", "mu"),
        (
            "fig10-gradients",
            "gradients",
            "1 - variance of gradients",
            "1 - VoG",
        ),
    ];
    let blocks = figures.map(|(id, score, axis, words)| Block::Figure {
        id: id.into(),
        caption: format!(
            "{words} against the Dice of the online network's output on clean and corrupted test images (Fig. 10 of the paper shows clean \
             ones); of more than {DRAWN} corrupted ones in a panel, every so many-th is drawn. The correlations in the corner are over the \
             clean images; those over all images stand in the table of baselines."
        ),
        figure: Box::new(Figure::Scatter(figure(outcomes, score, axis))),
    });
    Section::new("correlation", "Fig. 10: scores against Dice", blocks)
}

/// Points of a kind in a panel, at most.
const DRAWN: usize = 400;

fn figure(outcomes: &Outcomes, score: &str, axis: &str) -> Scatter {
    let panels = outcomes
        .sets()
        .iter()
        .map(|&set| panel(outcomes.get(set, Loss::Online), score));
    Scatter {
        title: format!("{axis} against Dice"),
        x: Axis::new(axis),
        y: Axis::new("Dice of the output").range(0.0, 1.0),
        panels: panels.collect(),
        ..Scatter::default()
    }
}

fn panel(outcome: &Outcome, id: &str) -> ScatterPanel {
    let values = outcome.score(id).map_or(&[][..], |score| &score.values);
    let group = |name: &str, corrupted: bool| {
        let chosen: Vec<_> = outcome
            .records
            .test
            .iter()
            .zip(values)
            .filter(|(record, _)| record.corruption.is_some() == corrupted)
            .collect();
        let step = chosen.len().div_ceil(DRAWN).max(1);
        let drawn = chosen.into_iter().step_by(step);
        let (x, y) = drawn.map(|(record, value)| (*value, dice(record))).unzip();
        Group {
            name: name.into(),
            x,
            y,
            labels: Vec::new(),
        }
    };
    let (corrupted, clean) = (group("corrupted", true), group("clean", false));
    let scored = Scored::new(&clean.x, &clean.y);
    let words = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
    let corner = [
        words("Pearson", pearson(&scored.all())),
        words("Spearman", spearman(&scored.all())),
    ];
    ScatterPanel {
        title: outcome.network.set.name().into(),
        groups: vec![corrupted, clean],
        trend: Some(Trend::Fitted),
        corner: corner.into_iter().flatten().collect(),
    }
}
