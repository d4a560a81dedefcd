//! How well scores rank the images whose truth is known.

use sagate_core::gate::evaluation::{Bootstrap, Scored, dice_at_coverage, spearman};
use sagate_lab::study::judge::{Area, COVERAGES, Judgement, Measure, judge};
use sagate_lab::study::table::{Cell, Column, Table};
use serde::Serialize;

use super::group::{DIGITS, mean, number};
use super::score::{Kind, Score, kinds};

/// Bootstrap samples of each interval.
pub(super) const DRAWS: usize = 1000;

/// How mu ranks the images, over all that have a truth.
#[derive(Debug, Serialize)]
pub(super) struct Ranking {
    pub images: usize,
    pub spearman: Option<f64>,
    pub dice_at_coverage: Vec<(f64, Option<f64>)>,
    pub accepted: usize,
    pub dice_of_accepted: Option<f64>,
    pub dice_of_rejected: Option<f64>,
}

/// A score, judged.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    /// Its name in files.
    pub score: &'static str,
    /// In words.
    #[serde(skip)]
    pub name: &'static str,
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// The images with a truth: a score of each beside its Dice.
pub(super) fn scored(images: &[Score], kind: &Kind) -> Scored {
    let pair = |score: &Score| Some(((kind.of)(score), score.dice?));
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

/// Judges every score over the images with a truth.
pub(super) fn judge_all(images: &[Score], seed: u64, area: Area) -> Vec<Judged> {
    let with_truth = images.iter().filter(|score| score.dice.is_some());
    let sources: Vec<usize> = with_truth.map(|score| score.source).collect();
    let bootstrap = Bootstrap::new(&sources, DRAWS, seed);
    let judged = |kind: &Kind| Judged {
        score: kind.id,
        name: kind.name,
        judgement: judge(&scored(images, kind), &bootstrap, area),
    };
    kinds(images).iter().map(judged).collect()
}

/// What mu and the gate do, a line a number.
pub(super) fn ranking_table(ranking: &Ranking) -> Table {
    let title = format!("all {} images with truth", ranking.images);
    let mut table = Table::new(
        "gate",
        "What mu and the gate do",
        [title, String::new()].map(Column::new),
    );
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

/// Every metric of every score, a column a score.
pub(super) fn judged_table(judged: &[Judged], area: Area) -> Table {
    let columns = std::iter::once("metric").chain(judged.iter().map(|judged| judged.name));
    let mut table = Table::new(
        "scores",
        "How well each score ranks the images by Dice, with 95 % intervals",
        columns.map(Column::new),
    );
    for (place, metric) in metrics(area).into_iter().enumerate() {
        let cells = judged.iter().map(|it| cell(measures(&it.judgement)[place]));
        table.push(std::iter::once(Cell::text(metric)).chain(cells));
    }
    table.note = Some(
        "AURC and AUGRC: area under the (generalised) risk-coverage curve, risk 1 - Dice, low is good. Place: of AURC between the \
         oracle's (0) and a coin's (1). AUROC: for telling those images from the others. An image and its damaged copies are drawn \
         together; images of one subject count as independent."
            .into(),
    );
    table
}

fn metrics(area: Area) -> Vec<String> {
    let area = match area {
        Area::Full => "AURC",
        Area::Zenk => "AURC as Zenk et al. add it up",
    };
    let fixed = [
        area,
        "place",
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
fn measures(judgement: &Judgement) -> Vec<&Measure> {
    let fixed = [
        &judgement.aurc,
        &judgement.place,
        &judgement.augrc,
        &judgement.spearman,
        &judgement.pearson,
        &judgement.auroc_failed,
        &judgement.auroc_tenth,
        &judgement.coverage_at_risk,
    ];
    fixed.into_iter().chain(&judgement.dice_at).collect()
}

fn cell(measure: &Measure) -> Cell {
    match (measure.value, measure.interval) {
        (Some(value), Some(interval)) => Cell::estimate(value, None, interval.low, interval.high, DIGITS),
        (value, _) => number(value, "undefined here"),
    }
}
