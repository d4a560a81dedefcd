//! The figures of a report.

use sagate_core::gate::Calibration;
use sagate_core::gate::evaluation::{Scored, pearson, selective_risks, spearman};
use sagate_lab::study::figure::{
    Axis, Bar, BarPanel, BarSeries, Bars, Group, LinePanel, Lines, Mark, Scatter, ScatterPanel, Series, Trend,
};

use super::group::{chunks, mean};
use super::score::{Kind, Score, kinds};
use super::truth::scored;

/// Each score against Dice, a panel a score.
pub(super) fn against_dice(images: &[Score]) -> Scatter {
    Scatter {
        title: "Scores against Dice".into(),
        x: Axis::new("score").range(0.0, 1.0),
        y: Axis::new("Dice").range(0.0, 1.0),
        panels: kinds(images).iter().map(|kind| panel(images, kind)).collect(),
        ..Scatter::default()
    }
}

fn panel(images: &[Score], kind: &Kind) -> ScatterPanel {
    let group = |name: &str, damaged: bool| {
        let chosen = images.iter().filter(|score| score.damage.is_some() == damaged);
        let (x, y) = chosen
            .filter_map(|score| Some(((kind.of)(score), score.dice?)))
            .unzip();
        Group {
            name: name.into(),
            x,
            y,
            labels: Vec::new(),
        }
    };
    let groups = [group("damaged", true), group("clean", false)];
    let scored = scored(images, kind);
    let words = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
    let corner = [
        words("Pearson", pearson(&scored.all())),
        words("Spearman", spearman(&scored.all())),
    ];
    ScatterPanel {
        title: kind.name.into(),
        groups: groups.into_iter().filter(|group| !group.x.is_empty()).collect(),
        trend: Some(Trend::Fitted),
        corner: corner.into_iter().flatten().collect(),
    }
}

/// The selective risk of each score, of the oracle and of a coin.
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
    curves.push(series("oracle", &Scored::new(&dice, &dice), true));
    let coin = mean(dice.iter().map(|dice| 1.0 - dice)).map(|at| Mark::Y {
        at,
        label: "coin".into(),
    });
    Lines {
        title: "Risk at each coverage".into(),
        x: Axis::new("coverage").range(0.0, 1.0),
        y: Axis::new("mean 1 - Dice of the images that remain"),
        panels: vec![LinePanel {
            series: curves,
            marks: coin.into_iter().collect(),
            ..LinePanel::default()
        }],
        ..Lines::default()
    }
}

/// Dice, where it is known, and the share that the gate rejects, by damage.
pub(super) fn by_damage(images: &[Score]) -> Bars {
    let name = |group: &[Score]| match group[0].damage {
        None => group[0].damage_name().to_owned(),
        Some(_) => format!("{} {}", group[0].damage_name(), group[0].grade()),
    };
    let series = |name: &str, of: &dyn Fn(&[Score]) -> f64| BarSeries {
        name: name.into(),
        bars: chunks(images).map(|group| Bar::new(of(group))).collect(),
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
        title: "What damage does".into(),
        x: Axis::new("damage and grade").categories(chunks(images).map(name)),
        y: Axis::new("mean or share").range(0.0, 1.0),
        panels: vec![BarPanel {
            title: String::new(),
            series: all,
        }],
        ..Bars::default()
    }
}

/// The shares of images at or below each mu: the calibration's, the clean images', the damaged ones'.
pub(super) fn distribution(images: &[Score], calibration: Option<&Calibration>) -> Lines {
    let of_images = |damaged: bool| {
        let chosen = images
            .iter()
            .filter(move |score| score.damage.is_some() == damaged);
        chosen.map(|score| score.mu).collect::<Vec<f64>>()
    };
    let calibrated = calibration
        .map(|calibration| calibration.entries.iter().map(|entry| entry.mu).collect())
        .unwrap_or_default();
    let samples = [
        ("calibration", calibrated, true),
        ("clean", of_images(false), false),
        ("damaged", of_images(true), false),
    ];
    let series = samples
        .into_iter()
        .filter_map(|(name, values, dashed)| steps(name, values, dashed));
    Lines {
        title: "How mu is distributed".into(),
        x: Axis::new("mu").range(0.0, 1.0),
        y: Axis::new("share of images at or below").range(0.0, 1.0),
        panels: vec![LinePanel {
            series: series.collect(),
            ..LinePanel::default()
        }],
        ..Lines::default()
    }
}

/// The distribution function of finite values as a staircase from 0 to 1; `None` without values.
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
