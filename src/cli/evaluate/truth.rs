//! Metrics of the scores on images with ground truth.

use sagate_core::gate::evaluation::{Bootstrap, Scored, dice_at_coverage, spearman};
use sagate_lab::study::evaluate::{AurcVariant, COVERAGES, Measure, ScoreMetrics, evaluate_score};
use sagate_lab::study::table::{Cell, Column, Table};
use serde::Serialize;

use super::group::{DIGITS, mean, number};
use super::score::{Score, ScoreKind, kinds};

/// Bootstrap samples of each interval.
pub(super) const DRAWS: usize = 1000;

/// Rank correlation of mu, and mean Dice by decision, over all images with ground truth.
#[derive(Debug, Serialize)]
pub(super) struct Ranking {
    pub images: usize,
    pub spearman: Option<f64>,
    pub dice_at_coverage: Vec<(f64, Option<f64>)>,
    pub accepted: usize,
    pub dice_of_accepted: Option<f64>,
    pub dice_of_rejected: Option<f64>,
}

/// A score with its metrics.
#[derive(Debug, Serialize)]
pub(super) struct EvaluatedScore {
    /// Its id in files.
    pub score: &'static str,
    /// Its name in tables.
    #[serde(skip)]
    pub name: &'static str,
    #[serde(flatten)]
    pub metrics: ScoreMetrics,
}

/// A score of each image with ground truth, with its Dice.
pub(super) fn scored(images: &[Score], kind: &ScoreKind) -> Scored {
    let pair = |score: &Score| Some(((kind.value)(score), score.dice?));
    let (scores, dice): (Vec<f64>, Vec<f64>) = images.iter().filter_map(pair).unzip();
    Scored::new(&scores, &dice)
}

pub(super) fn ranking(images: &[Score]) -> Ranking {
    let scored = scored(images, &kinds(images)[0]);
    let dice_where = |accept: bool| {
        let chosen = images.iter().filter(|score| score.accept == accept);
        mean(chosen.filter_map(|score| score.dice))
    };
    Ranking {
        images: scored.len(),
        spearman: spearman(&scored.all()),
        dice_at_coverage: COVERAGES
            .iter()
            .map(|&c| (c, dice_at_coverage(&scored.all(), c)))
            .collect(),
        accepted: images.iter().filter(|score| score.accept).count(),
        dice_of_accepted: dice_where(true),
        dice_of_rejected: dice_where(false),
    }
}

/// Evaluates every score over the images with ground truth.
pub(super) fn evaluate_all(images: &[Score], seed: u64, area: AurcVariant) -> Vec<EvaluatedScore> {
    let with_truth = images.iter().filter(|score| score.dice.is_some());
    let sources: Vec<usize> = with_truth.map(|score| score.source).collect();
    let bootstrap = Bootstrap::new(&sources, DRAWS, seed);
    let evaluated = |kind: &ScoreKind| EvaluatedScore {
        score: kind.id,
        name: kind.name,
        metrics: evaluate_score(&scored(images, kind), &bootstrap, area),
    };
    kinds(images).iter().map(evaluated).collect()
}

/// Rank correlation of mu and mean Dice by decision, one number a row.
pub(super) fn ranking_table(ranking: &Ranking) -> Table {
    let title = format!("all {} images with truth", ranking.images);
    let mut table = Table::new("gate", "mu and the gate", [title, String::new()].map(Column::new));
    let mut row = |words: String, value, else_why| table.push([Cell::text(words), number(value, else_why)]);
    row(
        "Spearman's rho of mu and Dice".into(),
        ranking.spearman,
        "nothing to rank",
    );
    for &(coverage, dice) in &ranking.dice_at_coverage {
        let words = format!("Dice of the {:.0} % with the highest mu", coverage * 100.0);
        row(words, dice, "no image");
    }
    row(
        "Dice of the accepted".into(),
        ranking.dice_of_accepted,
        "none accepted",
    );
    row(
        "Dice of the rejected".into(),
        ranking.dice_of_rejected,
        "none rejected",
    );
    table
}

/// Every metric of every score, one column for each score.
pub(super) fn metrics_table(evaluated: &[EvaluatedScore], area: AurcVariant) -> Table {
    let columns = std::iter::once("metric").chain(evaluated.iter().map(|evaluated| evaluated.name));
    let mut table = Table::new(
        "scores",
        "How well each score ranks the images by Dice, with 95 % intervals",
        columns.map(Column::new),
    );
    for (index, metric) in metrics(area).into_iter().enumerate() {
        let cells = evaluated.iter().map(|it| cell(measures(&it.metrics)[index]));
        table.push(std::iter::once(Cell::text(metric)).chain(cells));
    }
    table.note = Some(
        "AURC and AUGRC: area under the (generalised) risk-coverage curve, risk 1 - Dice, low is good. Normalised AURC: 0 optimal, \
         1 random. AUROC: for detecting those images. An image and its corrupted copies are drawn \
         together; images of one subject count as independent."
            .into(),
    );
    table
}

fn metrics(area: AurcVariant) -> Vec<String> {
    let area = match area {
        AurcVariant::Full => "AURC",
        AurcVariant::Zenk => "AURC (Zenk et al.)",
    };
    let fixed = [
        area,
        "normalised AURC",
        "AUGRC",
        "Spearman",
        "Pearson",
        "AUROC, Dice < 0.5",
        "AUROC, lowest tenth",
        "coverage at a risk of 5 %",
    ];
    let coverages = COVERAGES.map(|coverage| format!("Dice at coverage {:.0} %", coverage * 100.0));
    fixed.map(str::to_owned).into_iter().chain(coverages).collect()
}

/// In the order of [`metrics`].
fn measures(metrics: &ScoreMetrics) -> Vec<&Measure> {
    let fixed = [
        &metrics.aurc,
        &metrics.normalised_aurc,
        &metrics.augrc,
        &metrics.spearman,
        &metrics.pearson,
        &metrics.auroc_failed,
        &metrics.auroc_tenth,
        &metrics.coverage_at_risk,
    ];
    fixed.into_iter().chain(&metrics.dice_at).collect()
}

fn cell(measure: &Measure) -> Cell {
    match (measure.value, measure.interval) {
        (Some(value), Some(interval)) => Cell::estimate(value, None, interval.low, interval.high, DIGITS),
        (value, _) => number(value, "undefined here"),
    }
}
