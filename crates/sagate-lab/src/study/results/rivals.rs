//! mu against its rivals: the same networks, the same images.

use std::collections::BTreeMap;

use sagate_core::gate::evaluation::{Interval, Scored, percentile, place};

use super::outcome::{DIGITS, Outcome, Outcomes};
use crate::study::error::StudyError;
use crate::study::judge::{Area, COVERAGES, Judgement, Measure, judge};
use crate::study::pool::each;
use crate::study::report::{Block, Section};
use crate::study::score::{Cost, Family, Score};
use crate::study::set::Set;
use crate::study::table::{Cell, Column, Table};

/// Every score of every studied network, judged.
pub(super) struct Judged {
    /// The scores by id, in the order of the tables.
    pub scores: Vec<Judgements>,
    sets: Vec<Set>,
    area: Area,
}

/// One score over all studied networks.
pub(super) struct Judgements {
    pub id: &'static str,
    pub name: &'static str,
    pub family: Family,
    pub cost: Cost,
    /// By set and loss; a score may be missing where it could not be fitted.
    pub of: Vec<One>,
}

/// One score of one network's images.
pub(super) struct One {
    pub set: Set,
    pub online: bool,
    pub judgement: Judgement,
    /// The place in each bootstrap draw, NaN where it has none.
    pub places: Vec<f64>,
}

impl Judged {
    pub fn new(workers: usize, outcomes: &Outcomes, area: Area) -> Result<Judged, StudyError> {
        let all: Vec<&Outcome> = outcomes.iter().collect();
        let judged = each(&all, workers, |outcome| {
            Ok(outcome
                .scores
                .iter()
                .map(|score| one(outcome, score, area))
                .collect::<Vec<_>>())
        })?;
        let mut by_id: BTreeMap<&str, Vec<One>> = BTreeMap::new();
        for (outcome, ones) in all.iter().zip(judged) {
            for (score, one) in outcome.scores.iter().zip(ones) {
                by_id.entry(score.id).or_default().push(one);
            }
        }
        let mut scores = Vec::new();
        for score in all.iter().flat_map(|outcome| &outcome.scores) {
            if let Some(of) = by_id.remove(score.id) {
                scores.push(Judgements {
                    id: score.id,
                    name: score.name,
                    family: score.family,
                    cost: score.cost,
                    of,
                });
            }
        }
        Ok(Judged {
            scores,
            sets: outcomes.sets().to_vec(),
            area,
        })
    }

    /// The scores that a service could give: one pass, no labels.
    fn candidates(&self) -> impl Iterator<Item = &Judgements> {
        let fits = |family| matches!(family, Family::Agreement | Family::Certainty);
        self.scores.iter().filter(move |score| fits(score.family))
    }

    /// The candidate with the lowest mean place over the networks that `counts` lets count.
    fn best(&self, counts: impl Fn(&One) -> bool) -> Option<&Judgements> {
        let mean = |score: &Judgements| score.mean_place(&counts).unwrap_or(f64::INFINITY);
        self.candidates().min_by(|a, b| mean(a).total_cmp(&mean(b)))
    }

    /// The candidate with the lowest mean place over all sets.
    pub fn winner(&self) -> Option<&Judgements> {
        self.best(|_| true)
    }

    /// For each set the candidate that is best on all other sets, and its mean place on this one.
    pub fn held_out(&self) -> Vec<(Set, &Judgements, f64)> {
        let of = |set: Set| {
            let chosen = self.best(|one| one.set != set)?;
            Some((set, chosen, chosen.mean_place(&|one: &One| one.set == set)?))
        };
        self.sets.iter().copied().filter_map(of).collect()
    }
}

impl Judgements {
    /// Mean place over the networks that count; `None` where there is none.
    pub fn mean_place(&self, counts: &impl Fn(&One) -> bool) -> Option<f64> {
        let places: Vec<f64> = self
            .of
            .iter()
            .filter(|one| counts(one))
            .filter_map(|one| one.judgement.place.value)
            .collect();
        (!places.is_empty()).then(|| places.iter().sum::<f64>() / places.len() as f64)
    }

    /// The interval of the mean place, or of its difference to another score's, over the draws.
    pub fn interval(&self, less: Option<&Judgements>) -> Option<Interval> {
        let draws = self.of.first()?.places.len();
        let place = |one: &One, draw: usize| {
            let other = less.and_then(|less| {
                less.of
                    .iter()
                    .find(|it| (it.set, it.online) == (one.set, one.online))
            });
            match (less.is_some(), other) {
                (true, other) => Some(one.places[draw] - other?.places[draw]),
                (false, _) => Some(one.places[draw]),
            }
        };
        let mean = |draw: usize| {
            let places: Vec<f64> = self.of.iter().filter_map(|one| place(one, draw)).collect();
            places.iter().sum::<f64>() / places.len() as f64
        };
        let mut means: Vec<f64> = (0..draws).map(mean).filter(|mean| mean.is_finite()).collect();
        means.sort_by(f64::total_cmp);
        (!means.is_empty()).then(|| Interval {
            low: percentile(&means, 0.025),
            high: percentile(&means, 0.975),
        })
    }
}

fn one(outcome: &Outcome, score: &Score, area: Area) -> One {
    let scored = Scored::new(&score.values, &outcome.dice);
    let places = outcome
        .bootstrap
        .draws()
        .map(|times| place(&scored.drawn(times)).unwrap_or(f64::NAN));
    One {
        set: outcome.network.set,
        online: outcome.network.online,
        judgement: judge(&scored, &outcome.bootstrap, area),
        places: places.collect(),
    }
}

pub(super) fn section(judged: &Judged) -> Section {
    let mut blocks = vec![
        Block::Paragraph(
            "The place of a score's area under the risk-coverage curve (risk: 1 - Dice) between the oracle's (0) and a coin's (1), over all \
             test images, clean and damaged; above 1 is worse than a coin. Images without a mask score lowest where agreement has no \
             meaning."
                .into(),
        ),
        Block::Table(places(judged)),
    ];
    blocks.extend(winner(judged));
    blocks.push(Block::Table(against(judged)));
    blocks.push(Block::Table(details(judged)));
    Section::new("rivals", "mu and its rivals", blocks)
}

/// Places, a column for each set and loss, the best score first.
fn places(judged: &Judged) -> Table {
    let short = |set: Set, online: bool| format!("{} {}", set.name(), if online { "on" } else { "off" });
    let networks: Vec<(Set, bool)> = judged
        .sets
        .iter()
        .flat_map(|&set| [(set, false), (set, true)])
        .collect();
    let columns = ["score", "made of", "mean place"].into_iter().map(str::to_owned);
    let columns = columns.chain(networks.iter().map(|&(set, online)| short(set, online)));
    let mut table = Table::new(
        "places",
        "Place between oracle (0) and coin (1)",
        columns.map(Column::new),
    );
    let mut scores: Vec<(&Judgements, f64)> = judged
        .scores
        .iter()
        .filter_map(|score| Some((score, score.mean_place(&|_| true)?)))
        .collect();
    scores.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (score, mean) in scores {
        let place = |&(set, online): &(Set, bool)| {
            let one = score.of.iter().find(|one| (one.set, one.online) == (set, online));
            match one.and_then(|one| one.judgement.place.value) {
                Some(place) => Cell::number(place, 2),
                None => Cell::missing("could not be fitted"),
            }
        };
        let interval = score.interval(None);
        let mean = interval.map_or_else(
            || Cell::number(mean, DIGITS),
            |interval| Cell::estimate(mean, None, interval.low, interval.high, DIGITS),
        );
        let head = [Cell::text(score.name), Cell::text(score.family.words()), mean];
        table.push(head.into_iter().chain(networks.iter().map(place)));
    }
    table
}

fn winner(judged: &Judged) -> Vec<Block> {
    let Some(winner) = judged.winner() else {
        return Vec::new();
    };
    let held_out = judged.held_out();
    let mean = held_out.iter().map(|(.., place)| place).sum::<f64>() / held_out.len().max(1) as f64;
    let mut table = Table::new(
        "held-out",
        "For each set: the one-pass score, fitted without labels, that is best on the other six sets, and its place on this one",
        ["set", "chosen on the other sets", "place here"].map(Column::new),
    );
    for (set, chosen, place) in &held_out {
        table.push([
            Cell::text(set.name()),
            Cell::text(chosen.name),
            Cell::number(*place, DIGITS),
        ]);
    }
    vec![
        Block::Paragraph(format!(
            "Best of the one-pass scores that need no labels, over all sets: **{}**. Chosen anew for each set on the other six, which is \
             evidence that played no part in the choice, the mean place is **{mean:.3}**. {}",
            winner.name,
            against_goal(winner.mean_place(&|_| true).unwrap_or(f64::NAN))
        )),
        Block::Paragraph(
            "The rehearsed score's formula (which readings, the ridge's penalty, the power of the confidence) was chosen on networks and \
             phantoms of seed 1; networks and phantoms of this report come from the profile's seed and took no part in it, while the T1 \
             slices are the same head's. What spoils images in the rehearsal is drawn by other code than what damages test images, though \
             both hold noise, filters and shading. A rehearsal needs no labels and is done once, when a model is calibrated."
                .into(),
        ),
        Block::Table(table),
    ]
}

/// The mean place that was aimed at.
const GOAL: f64 = 0.20;

fn against_goal(mean: f64) -> String {
    if mean <= GOAL {
        format!("The goal, a mean place of at most {GOAL:.2}, is met with {mean:.3}.")
    } else {
        format!(
            "The goal, a mean place of at most {GOAL:.2}, is missed by {:.3}.",
            mean - GOAL
        )
    }
}

/// The winner's mean place less each other score's, with the interval of the difference.
fn against(judged: &Judged) -> Table {
    let mut table = Table::new(
        "against",
        "Mean place of the best one-pass score less the other's, over the same draws: below 0 it is better",
        ["other score", "difference"].map(Column::new),
    );
    let Some(winner) = judged.winner() else {
        return table;
    };
    for other in judged.scores.iter().filter(|other| other.id != winner.id) {
        let means = [winner, other].map(|score| score.mean_place(&|_| true));
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
fn details(judged: &Judged) -> Table {
    let fixed = [
        "set",
        "loss",
        "score",
        "AURC",
        "place",
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
        "rivals-details",
        "Every score of every network, every metric",
        columns.map(Column::new),
    );
    let cell = |measure: &Measure| match (measure.value, measure.interval) {
        (Some(value), Some(interval)) => Cell::estimate(value, None, interval.low, interval.high, DIGITS),
        (Some(value), None) => Cell::number(value, DIGITS),
        (None, _) => Cell::missing("undefined"),
    };
    for score in &judged.scores {
        for one in &score.of {
            let it = &one.judgement;
            let head = [
                one.set.name(),
                if one.online { "online" } else { "offline" },
                score.name,
            ]
            .map(Cell::text);
            let measures = [
                &it.aurc,
                &it.place,
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
    table.note = Some(match judged.area {
        Area::Full => "AURC: equal scores averaged over their orders, every coverage with full weight.".into(),
        Area::Zenk => {
            "AURC as the benchmark of Zenk et al. (2025) adds it up; place is that of the tie-averaged, fully weighted AURC.".into()
        }
    });
    table
}
