//! mu and its baselines on the same networks and images.

use std::collections::BTreeMap;

use sagate_core::gate::evaluation::{Interval, Scored, normalised_aurc, percentile};

use super::outcome::{DIGITS, Outcome, Outcomes};
use crate::study::error::StudyError;
use crate::study::evaluate::{AurcVariant, COVERAGES, Measure, ScoreMetrics, evaluate_score};
use crate::study::pool::each;
use crate::study::report::{Block, Section};
use crate::study::score::{Cost, Family, Score};
use crate::study::set::Set;
use crate::study::table::{Cell, Column, Table};

/// The evaluation of every score on every studied network.
pub(super) struct EvaluatedScores {
    /// The scores by id, in the order of the tables.
    pub scores: Vec<ScoreResults>,
    sets: Vec<Set>,
    area: AurcVariant,
}

/// One score over all studied networks.
pub(super) struct ScoreResults {
    pub id: &'static str,
    pub name: &'static str,
    pub family: Family,
    pub cost: Cost,
    /// By set and loss; an entry is missing where the score could not be fitted.
    pub networks: Vec<NetworkResult>,
}

/// One score of one network's images.
pub(super) struct NetworkResult {
    pub set: Set,
    pub online: bool,
    pub metrics: ScoreMetrics,
    /// The normalised AURC of each bootstrap draw, NaN where it is undefined.
    pub draws: Vec<f64>,
}

impl EvaluatedScores {
    pub fn new(
        workers: usize,
        outcomes: &Outcomes,
        area: AurcVariant,
    ) -> Result<EvaluatedScores, StudyError> {
        let all: Vec<&Outcome> = outcomes.iter().collect();
        let evaluated = each(&all, workers, |outcome| {
            Ok(outcome
                .scores
                .iter()
                .map(|score| one(outcome, score, area))
                .collect::<Vec<_>>())
        })?;
        let mut by_id: BTreeMap<&str, Vec<NetworkResult>> = BTreeMap::new();
        for (outcome, ones) in all.iter().zip(evaluated) {
            for (score, one) in outcome.scores.iter().zip(ones) {
                by_id.entry(score.id).or_default().push(one);
            }
        }
        let mut scores = Vec::new();
        for score in all.iter().flat_map(|outcome| &outcome.scores) {
            if let Some(networks) = by_id.remove(score.id) {
                scores.push(ScoreResults {
                    id: score.id,
                    name: score.name,
                    family: score.family,
                    cost: score.cost,
                    networks,
                });
            }
        }
        Ok(EvaluatedScores {
            scores,
            sets: outcomes.sets().to_vec(),
            area,
        })
    }

    /// The scores that a service could give: one pass, no labels.
    fn candidates(&self) -> impl Iterator<Item = &ScoreResults> {
        let fits = |family| matches!(family, Family::Agreement | Family::Certainty);
        self.scores.iter().filter(move |score| fits(score.family))
    }

    /// The candidate with the lowest mean normalised AURC over the networks that `counts` selects.
    fn best(&self, counts: impl Fn(&NetworkResult) -> bool) -> Option<&ScoreResults> {
        let mean = |score: &ScoreResults| score.mean_normalised_aurc(&counts).unwrap_or(f64::INFINITY);
        self.candidates().min_by(|a, b| mean(a).total_cmp(&mean(b)))
    }

    /// The candidate with the lowest mean normalised AURC over all sets.
    pub fn winner(&self) -> Option<&ScoreResults> {
        self.best(|_| true)
    }

    /// For each set the candidate that is best on all other sets, and its mean normalised AURC on this one.
    pub fn held_out(&self) -> Vec<(Set, &ScoreResults, f64)> {
        let candidate = |set: Set| {
            let chosen = self.best(|one| one.set != set)?;
            Some((
                set,
                chosen,
                chosen.mean_normalised_aurc(&|one: &NetworkResult| one.set == set)?,
            ))
        };
        self.sets.iter().copied().filter_map(candidate).collect()
    }
}

impl ScoreResults {
    /// Mean normalised AURC over the networks that `counts` selects; `None` where there is none.
    pub fn mean_normalised_aurc(&self, counts: &impl Fn(&NetworkResult) -> bool) -> Option<f64> {
        let values: Vec<f64> = self
            .networks
            .iter()
            .filter(|one| counts(one))
            .filter_map(|one| one.metrics.normalised_aurc.value)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The bootstrap interval of the mean normalised AURC, or of its difference to another score's.
    pub fn interval(&self, less: Option<&ScoreResults>) -> Option<Interval> {
        let draws = self.networks.first()?.draws.len();
        let value = |one: &NetworkResult, draw: usize| {
            let other = less.and_then(|less| {
                less.networks
                    .iter()
                    .find(|it| (it.set, it.online) == (one.set, one.online))
            });
            match (less.is_some(), other) {
                (true, other) => Some(one.draws[draw] - other?.draws[draw]),
                (false, _) => Some(one.draws[draw]),
            }
        };
        let mean = |draw: usize| {
            let values: Vec<f64> = self.networks.iter().filter_map(|one| value(one, draw)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let mut means: Vec<f64> = (0..draws).map(mean).filter(|mean| mean.is_finite()).collect();
        means.sort_by(f64::total_cmp);
        (!means.is_empty()).then(|| Interval {
            low: percentile(&means, 0.025),
            high: percentile(&means, 0.975),
        })
    }
}

fn one(outcome: &Outcome, score: &Score, area: AurcVariant) -> NetworkResult {
    let scored = Scored::new(&score.values, &outcome.dice);
    let draws = outcome
        .bootstrap
        .draws()
        .map(|times| normalised_aurc(&scored.drawn(times)).unwrap_or(f64::NAN));
    NetworkResult {
        set: outcome.network.set,
        online: outcome.network.online,
        metrics: evaluate_score(&scored, &outcome.bootstrap, area),
        draws: draws.collect(),
    }
}

pub(super) fn section(evaluated: &EvaluatedScores) -> Section {
    let mut blocks = vec![
        Block::Paragraph(
            "The normalised AURC: a score's area under the risk-coverage curve (risk: 1 - Dice), scaled so that 0 is optimal and 1 is a random \
             score, over all test images, clean and corrupted. Images without a mask score lowest where agreement is undefined."
                .into(),
        ),
        Block::Table(ranking(evaluated)),
    ];
    blocks.extend(winner(evaluated));
    blocks.push(Block::Table(against(evaluated)));
    blocks.push(Block::Table(details(evaluated)));
    Section::new("baselines", "mu and its baselines", blocks)
}

/// Normalised AURC, a column for each set and loss, the best score first.
fn ranking(evaluated: &EvaluatedScores) -> Table {
    let short = |set: Set, online: bool| format!("{} {}", set.name(), if online { "on" } else { "off" });
    let networks: Vec<(Set, bool)> = evaluated
        .sets
        .iter()
        .flat_map(|&set| [(set, false), (set, true)])
        .collect();
    let columns = ["score", "computed from", "mean normalised AURC"]
        .into_iter()
        .map(str::to_owned);
    let columns = columns.chain(networks.iter().map(|&(set, online)| short(set, online)));
    let mut table = Table::new(
        "normalised-aurc",
        "Normalised AURC (0 optimal, 1 random)",
        columns.map(Column::new),
    );
    let mut scores: Vec<(&ScoreResults, f64)> = evaluated
        .scores
        .iter()
        .filter_map(|score| Some((score, score.mean_normalised_aurc(&|_| true)?)))
        .collect();
    scores.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (score, mean) in scores {
        let cell = |&(set, online): &(Set, bool)| {
            let one = score
                .networks
                .iter()
                .find(|one| (one.set, one.online) == (set, online));
            match one.and_then(|one| one.metrics.normalised_aurc.value) {
                Some(value) => Cell::number(value, 2),
                None => Cell::missing("could not be fitted"),
            }
        };
        let interval = score.interval(None);
        let mean = interval.map_or_else(
            || Cell::number(mean, DIGITS),
            |interval| Cell::estimate(mean, None, interval.low, interval.high, DIGITS),
        );
        let head = [Cell::text(score.name), Cell::text(score.family.name()), mean];
        table.push(head.into_iter().chain(networks.iter().map(cell)));
    }
    table
}

fn winner(evaluated: &EvaluatedScores) -> Vec<Block> {
    let Some(winner) = evaluated.winner() else {
        return Vec::new();
    };
    let held_out = evaluated.held_out();
    let mean = held_out.iter().map(|(.., value)| value).sum::<f64>() / held_out.len().max(1) as f64;
    let mut table = Table::new(
        "held-out",
        "For each set: the one-pass score, fitted without labels, that is best on the other six sets, and its normalised AURC on this one",
        ["set", "chosen on the other sets", "normalised AURC here"].map(Column::new),
    );
    for (set, chosen, value) in &held_out {
        table.push([
            Cell::text(set.name()),
            Cell::text(chosen.name),
            Cell::number(*value, DIGITS),
        ]);
    }
    vec![
        Block::Paragraph(format!(
            "Best of the one-pass scores that need no labels, over all sets: **{}**. Chosen anew for each set on the other six, which is \
             evidence that played no part in the choice, the mean normalised AURC is **{mean:.3}**. {}",
            winner.name,
            against_goal(winner.mean_normalised_aurc(&|_| true).unwrap_or(f64::NAN))
        )),
        Block::Paragraph(
            "The quality score's formula (its features, the ridge's penalty, the power of the confidence) was chosen on networks and \
             phantoms of seed 1; networks and phantoms of this report come from the profile's seed and took no part in it, while the T1 \
             slices are of the same head. The perturbations are drawn by other code than the corruptions of the test images, though both \
             include noise, filters and bias fields. Perturbation calibration needs no labels and runs once, when a model is calibrated."
                .into(),
        ),
        Block::Table(table),
    ]
}

/// The target mean normalised AURC.
const GOAL: f64 = 0.20;

fn against_goal(mean: f64) -> String {
    if mean <= GOAL {
        format!("The goal, a mean normalised AURC of at most {GOAL:.2}, is met with {mean:.3}.")
    } else {
        format!(
            "The goal, a mean normalised AURC of at most {GOAL:.2}, is missed by {:.3}.",
            mean - GOAL
        )
    }
}

/// The winner's mean normalised AURC minus each other score's, with the interval of the difference.
fn against(evaluated: &EvaluatedScores) -> Table {
    let mut table = Table::new(
        "against",
        "Mean normalised AURC of the best one-pass score minus the other's, over the same draws: below 0 it is better",
        ["other score", "difference"].map(Column::new),
    );
    let Some(winner) = evaluated.winner() else {
        return table;
    };
    for other in evaluated.scores.iter().filter(|other| other.id != winner.id) {
        let means = [winner, other].map(|score| score.mean_normalised_aurc(&|_| true));
        let cell = match (means, winner.interval(Some(other))) {
            ([Some(a), Some(b)], Some(interval)) => {
                Cell::estimate(a - b, None, interval.low, interval.high, DIGITS)
            }
            _ => Cell::missing("could not be fitted"),
        };
        table.push([Cell::text(other.name), cell]);
    }
    table.note = Some(format!("The best one-pass score: {}.", winner.name));
    table
}

/// Every metric of every score.
fn details(evaluated: &EvaluatedScores) -> Table {
    let fixed = [
        "set",
        "loss",
        "score",
        "AURC",
        "normalised AURC",
        "AUGRC",
        "Spearman",
        "Pearson",
        "AUROC, Dice < 0.5",
        "AUROC, lowest tenth",
    ];
    let coverages = COVERAGES.map(|coverage| format!("Dice at {:.0} %", coverage * 100.0));
    let columns = fixed
        .map(str::to_owned)
        .into_iter()
        .chain(coverages)
        .chain(["coverage at risk 0.05".to_owned()]);
    let mut table = Table::new(
        "baselines-details",
        "Every score of every network, every metric",
        columns.map(Column::new),
    );
    let cell = |measure: &Measure| match (measure.value, measure.interval) {
        (Some(value), Some(interval)) => Cell::estimate(value, None, interval.low, interval.high, DIGITS),
        (Some(value), None) => Cell::number(value, DIGITS),
        (None, _) => Cell::missing("undefined"),
    };
    for score in &evaluated.scores {
        for one in &score.networks {
            let it = &one.metrics;
            let head = [
                one.set.name(),
                if one.online { "online" } else { "offline" },
                score.name,
            ]
            .map(Cell::text);
            let measures = [
                &it.aurc,
                &it.normalised_aurc,
                &it.augrc,
                &it.spearman,
                &it.pearson,
                &it.auroc_failed,
                &it.auroc_tenth,
            ];
            let measures = measures
                .into_iter()
                .chain(&it.dice_at)
                .chain([&it.coverage_at_risk]);
            table.push(head.into_iter().chain(measures.map(cell)));
        }
    }
    table.note = Some(match evaluated.area {
        AurcVariant::Full => "AURC: equal scores averaged over their orders, every coverage with full weight.".into(),
        AurcVariant::Zenk => {
            "AURC as the benchmark of Zenk et al. (2025) computes it; the normalised AURC is that of the tie-averaged, fully weighted AURC.".into()
        }
    });
    table
}
