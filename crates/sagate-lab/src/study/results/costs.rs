//! Ranking quality against computational cost.

use super::baselines::EvaluatedScores;
use crate::study::error::StudyError;
use crate::study::figure::{Axis, Figure, Group, Scatter, ScatterPanel};
use crate::study::plan::timed;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::study::table::{Cell, Column, Table};

/// Below this cost, in passes, most scores go without a label in the figure; the table names all.
const LABEL_COST: f64 = 1.5;

pub(super) fn section(study: &Study, evaluated: &EvaluatedScores) -> Result<Section, StudyError> {
    let costs = study.costs(&timed(study.sets()))?;
    let mut table = Table::new(
        "score-costs",
        "Cost of each score with the pass that gives the mask, as a multiple of that pass, one thread",
        ["score", "mean normalised AURC", "cost"].map(Column::new),
    );
    let mut groups: Vec<Group> = Vec::new();
    for score in &evaluated.scores {
        let (Some(area), Some(cost)) = (score.mean_normalised_aurc(&|_| true), costs.multiple(score.cost))
        else {
            continue;
        };
        table.push([
            Cell::text(score.name),
            Cell::number(area, 3),
            Cell::number(cost, 2),
        ]);
        let name = score.family.name();
        let known = groups.iter().position(|group| group.name == name);
        let group = known.unwrap_or_else(|| {
            groups.push(Group {
                name: name.into(),
                ..Group::default()
            });
            groups.len() - 1
        });
        groups[group].x.push(cost);
        groups[group].y.push(area);
        // The one-pass scores are too close together to label all of them.
        let named = cost > LABEL_COST
            || score.id == "mu"
            || evaluated.winner().is_some_and(|winner| winner.id == score.id);
        groups[group]
            .labels
            .push(if named { score.id.into() } else { String::new() });
    }
    let figure = Scatter {
        title: "Normalised AURC against cost".into(),
        x: Axis::new("cost").unit("forward passes").log(),
        y: Axis::new("mean normalised AURC (0 optimal, 1 random)"),
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
            caption: "Mean normalised AURC over all sets and both losses against cost. Down and to the left is better."
                .into(),
            figure: Box::new(Figure::Scatter(figure)),
        },
    ]);
    Ok(Section::new("costs", "Cost", [times]))
}
