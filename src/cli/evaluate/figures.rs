//! The figures of a report.

use sagate_core::gate::Calibration;
use sagate_core::gate::evaluation::{Scored, pearson, selective_risks, spearman};
use sagate_lab::study::figure::{
    Axis, Bar, BarPanel, BarSeries, Bars, Group, LinePanel, Lines, Mark, Scatter, ScatterPanel, Series, Trend,
};

use super::group::{chunks, mean};
use super::score::{Score, ScoreKind, kinds};
use super::truth::scored;

/// Each score against Dice, one panel for each score.
pub(super) fn against_dice(images: &[Score]) -> Scatter {
    Scatter {
        title: "Scores against Dice".into(),
        x: Axis::new("score").range(0.0, 1.0),
        y: Axis::new("Dice").range(0.0, 1.0),
        panels: kinds(images).iter().map(|kind| panel(images, kind)).collect(),
        ..Scatter::default()
    }
}

fn panel(images: &[Score], kind: &ScoreKind) -> ScatterPanel {
    let group = |name: &str, corrupted: bool| {
        let chosen = images
            .iter()
            .filter(|score| score.corruption.is_some() == corrupted);
        let (x, y) = chosen
            .filter_map(|score| Some(((kind.value)(score), score.dice?)))
            .unzip();
        Group {
            name: name.into(),
            x,
            y,
            labels: Vec::new(),
        }
    };
    let groups = [group("corrupted", true), group("clean", false)];
    let scored = scored(images, kind);
    let label = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
    let corner = [
        label("Pearson", pearson(&scored.all())),
        label("Spearman", spearman(&scored.all())),
    ];
    ScatterPanel {
        title: kind.name.into(),
        groups: groups.into_iter().filter(|group| !group.x.is_empty()).collect(),
        trend: Some(Trend::Fitted),
        corner: corner.into_iter().flatten().collect(),
    }
}

/// Selective risk against coverage for each score, with the optimal and the random curve.
pub(super) fn risk_coverage(images: &[Score]) -> Lines {
    let series = |name: &str, scored: &Scored, dashed| {
        let (x, y) = selective_risks(&scored.all()).unzip();
        Series {
            name: name.into(),
            x,
            y,
            band: None,
            dashed,
        }
    };
    let dice: Vec<f64> = images.iter().filter_map(|score| score.dice).collect();
    let mut curves: Vec<Series> = kinds(images)
        .iter()
        .map(|kind| series(kind.name, &scored(images, kind), false))
        .collect();
    curves.push(series("optimal", &Scored::new(&dice, &dice), true));
    let random = mean(dice.iter().map(|dice| 1.0 - dice)).map(|at| Mark::Y {
        at,
        label: "random".into(),
    });
    Lines {
        title: "Risk at each coverage".into(),
        x: Axis::new("coverage").range(0.0, 1.0),
        y: Axis::new("mean 1 - Dice of the images that remain"),
        panels: vec![LinePanel {
            series: curves,
            marks: random.into_iter().collect(),
            ..LinePanel::default()
        }],
        ..Lines::default()
    }
}

/// Dice, where it is known, and the share that the gate rejects, by corruption.
pub(super) fn by_corruption(images: &[Score]) -> Bars {
    let name = |group: &[Score]| match group[0].corruption {
        None => group[0].corruption_name().to_owned(),
        Some(_) => format!("{} {}", group[0].corruption_name(), group[0].severity()),
    };
    let series = |name: &str, statistic: &dyn Fn(&[Score]) -> f64| BarSeries {
        name: name.into(),
        bars: chunks(images).map(|group| Bar::new(statistic(group))).collect(),
    };
    let dice = |group: &[Score]| mean(group.iter().filter_map(|score| score.dice)).unwrap_or(f64::NAN);
    let rejected = |group: &[Score]| {
        let flag = |score: &Score| f64::from(u8::from(!score.accept));
        mean(group.iter().map(flag)).unwrap_or(f64::NAN)
    };
    let mut all = Vec::new();
    if images.iter().any(|score| score.dice.is_some()) {
        all.push(series("mean Dice", &dice));
    }
    all.push(series("share rejected", &rejected));
    Bars {
        title: "Effect of corruption".into(),
        x: Axis::new("corruption and severity").categories(chunks(images).map(name)),
        y: Axis::new("mean or share").range(0.0, 1.0),
        panels: vec![BarPanel {
            title: String::new(),
            series: all,
        }],
        ..Bars::default()
    }
}

/// The shares of images at or below each mu: of the calibration, the clean and the corrupted images.
pub(super) fn distribution(images: &[Score], calibration: Option<&Calibration>) -> Lines {
    let mu_of = |corrupted: bool| {
        let chosen = images
            .iter()
            .filter(move |score| score.corruption.is_some() == corrupted);
        chosen.map(|score| score.mu).collect::<Vec<f64>>()
    };
    let calibrated = calibration
        .map(|calibration| calibration.entries.iter().map(|entry| entry.mu).collect())
        .unwrap_or_default();
    let samples = [
        ("calibration", calibrated, true),
        ("clean", mu_of(false), false),
        ("corrupted", mu_of(true), false),
    ];
    let series = samples
        .into_iter()
        .filter_map(|(name, values, dashed)| steps(name, values, dashed));
    Lines {
        title: "Distribution of mu".into(),
        x: Axis::new("mu").range(0.0, 1.0),
        y: Axis::new("share of images at or below").range(0.0, 1.0),
        panels: vec![LinePanel {
            series: series.collect(),
            ..LinePanel::default()
        }],
        ..Lines::default()
    }
}

/// The empirical distribution function of the finite values on 0..=1; `None` without values.
fn steps(name: &str, mut values: Vec<f64>, dashed: bool) -> Option<Series> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let (mut x, mut y) = (vec![0.0], vec![0.0]);
    for (index, &value) in values.iter().enumerate() {
        let share = |count: usize| count as f64 / values.len() as f64;
        x.extend([value, value]);
        y.extend([share(index), share(index + 1)]);
    }
    x.push(1.0);
    y.push(1.0);
    (!values.is_empty()).then(|| Series {
        name: name.into(),
        x,
        y,
        band: None,
        dashed,
    })
}
