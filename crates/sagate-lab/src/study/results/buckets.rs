//! Fig. 11: accuracy by bucket of mu and of the variance of gradients.

use sagate_core::gate::evaluation::Bootstrap;

use super::outcome::{Estimate, Outcome, Outcomes, dice};
use crate::study::figure::{Axis, Bar, BarPanel, BarSeries, Bars, Figure};
use crate::study::report::{Block, Section};
use crate::study::set::Set;
use crate::train::Loss;

/// Equally many images in each.
const BUCKETS: usize = 5;

pub(super) fn section(outcomes: &Outcomes) -> Section {
    let panel = |set: Set| {
        let outcome = outcomes.get(set, Loss::Online);
        let series = [("mu", "mu"), ("1 - VoG", "gradients")].map(|(name, id)| BarSeries {
            name: name.into(),
            bars: bars(outcome, id),
        });
        BarPanel {
            title: set.name().into(),
            series: series.into(),
        }
    };
    let names =
        (0..BUCKETS).map(|bucket| format!("{}-{}", 100 * bucket / BUCKETS, 100 * (bucket + 1) / BUCKETS));
    let figure = Bars {
        title: "Dice by bucket of a score".into(),
        x: Axis::new("percentile of the score").unit("%").categories(names),
        y: Axis::new("mean Dice").range(0.0, 1.0),
        panels: outcomes.sets().iter().copied().map(panel).collect(),
        ..Bars::default()
    };
    let block = Block::Figure {
        id: "fig11".into(),
        caption: "Mean Dice of the online network's output on clean test images, by fifth of mu and of 1 - VoG, lowest first, with 95 % \
                  intervals (Fig. 11 of the paper). A good score climbs."
            .into(),
        figure: Box::new(Figure::Bars(figure)),
    };
    Section::new("buckets", "Fig. 11: Dice by bucket", [block])
}

fn bars(outcome: &Outcome, id: &str) -> Vec<Bar> {
    let clean = outcome.clean();
    let Some(score) = outcome.score(id) else {
        return Vec::new();
    };
    let mut order: Vec<usize> = (0..clean.len()).collect();
    order.sort_by(|&a, &b| score.values[a].total_cmp(&score.values[b]));
    let bucket = |bucket: usize| {
        let ends = [bucket, bucket + 1].map(|end| end * order.len() / BUCKETS);
        let values: Vec<f64> = order[ends[0]..ends[1]]
            .iter()
            .map(|&image| dice(&clean[image]))
            .collect();
        let groups: Vec<usize> = (0..values.len()).collect();
        let estimate = Estimate::new(&values, &Bootstrap::new(&groups, 500, bucket as u64));
        Bar::with(estimate.mean, estimate.low, estimate.high)
    };
    (0..BUCKETS).map(bucket).collect()
}
