//! How much a better ranking costs.

use super::rivals::Judged;
use crate::study::error::StudyError;
use crate::study::figure::{Axis, Figure, Group, Scatter, ScatterPanel};
use crate::study::plan::timed;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::table::{Cell, Column, Table};

/// Scores that cost less than this many passes are too many to be named in the figure; the table names all.
const CROWDED: f64 = 1.5;

pub(super) fn section(study: &Study, judged: &Judged) -> Result<Section, StudyError> {
    let costs = study.costs(&timed(study.sets()))?;
    let mut table = Table::new(
        "score-costs",
        "Cost of each score with the pass that gives the mask, as a multiple of that pass, one thread",
        ["score", "mean place", "cost"].map(Column::new),
    );
    let mut groups: Vec<Group> = Vec::new();
    for score in &judged.scores {
        let (Some(place), Some(cost)) = (score.mean_place(&|_| true), costs.multiple(score.cost)) else {
            continue;
        };
        table.push([
            Cell::text(score.name),
            Cell::number(place, 3),
            Cell::number(cost, 2),
        ]);
        let name = score.family.words();
        let known = groups.iter().position(|group| group.name == name);
        let group = known.unwrap_or_else(|| {
            groups.push(Group {
                name: name.into(),
                ..Group::default()
            });
            groups.len() - 1
        });
        groups[group].x.push(cost);
        groups[group].y.push(place);
        // Most one-pass scores stand so close together that only those that matter can be named.
        let named =
            cost > CROWDED || score.id == "mu" || judged.winner().is_some_and(|winner| winner.id == score.id);
        groups[group]
            .labels
            .push(if named { score.id.into() } else { String::new() });
    }
    let figure = Scatter {
        title: "What a score costs and what it is worth".into(),
        x: Axis::new("cost").unit("forward passes").log(),
        y: Axis::new("mean place between oracle (0) and coin (1)"),
        panels: vec![ScatterPanel {
            title: String::new(),
            groups,
            trend: None,
            corner: Vec::new(),
        }],
        ..Scatter::default()
    };
    let times = Block::Times(vec![
        Block::Table(table),
        Block::Figure {
            id: "aurc-cost".into(),
            caption: "Mean place of the area under the risk-coverage curve over all sets and both losses, against cost. Down and to the left \
                      is better."
                .into(),
            figure: Box::new(Figure::Scatter(figure)),
        },
    ]);
    Ok(Section::new("costs", "Cost", [times]))
}
