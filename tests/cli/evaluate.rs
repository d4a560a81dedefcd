//! `sagate evaluate` through the binary: scores evaluated against the truth, its report, and what it says without truth.
//!
//! What would break: an interval that takes corrupted copies of an image for independent evidence, a metric that is not what its
//! name says, forms that tell different things, or a verdict on quality where no truth is known.

use std::fs;

use sagate_core::gate::evaluation::{Bootstrap, Scored, aurc_zenk};
use sagate_core::gate::{Calibration, kolmogorov_smirnov, ks_critical_value};
use sagate_core::imaging;
use sagate_lab::study::evaluate::{AurcVariant, Measure, ScoreMetrics, evaluate_score};
use serde_json::Value;

use crate::binary::Place;

const COUNT: usize = 8;
const KINDS: [&str; 4] = ["mu", "soft_dice_confidence", "object_confidence", "score"];
const DRAWS: usize = 1000;

/// A calibrated model and images in `data`, their masks the model's own answers with more and more cut away.
fn place(masks: bool) -> Place {
    let place = Place::new(1, &[]);
    let folder = if masks { "data/images" } else { "data" };
    for index in 0..COUNT {
        let file = place.picture(&format!("{folder}/image-{index}.png"), index + 1, 40, 52);
        if masks {
            let mut labels = place.expected(&file).labels;
            labels.slice_mut(ndarray::s![..5 * index, ..]).fill(0);
            fs::create_dir_all(place.path("data/masks")).unwrap();
            let path = place.path(&format!("data/masks/image-{index}.png"));
            imaging::mask::write_png(&path, &labels).unwrap();
        }
    }
    let ended = place.run(&["calibrate", "--data", "data"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    place
}

fn evaluate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let flags = [
        "evaluate",
        "--data",
        "data",
        "--corruptions",
        "blur",
        "--severities",
        "1,3",
    ];
    [&flags[..], more].concat()
}

/// A column of the CSV as numbers, and of each image its place in the data.
fn column(csv: &str, name: &str) -> Vec<f64> {
    let place = csv.lines().next().unwrap().split(',').position(|it| it == name);
    let number = |line: &str| line.split(',').nth(place.unwrap()).unwrap().parse().unwrap();
    csv.lines().skip(1).map(number).collect()
}

fn near(reported: &Value, expected: Option<f64>, what: &str) {
    match expected {
        // The CSV has six digits.
        Some(expected) => assert!(
            (reported.as_f64().unwrap() - expected).abs() < 1e-4,
            "{what}: {reported}, expected {expected}"
        ),
        None => assert!(reported.is_null(), "{what}: {reported}"),
    }
}

fn same(reported: &Value, expected: &Measure, what: &str) {
    near(&reported["value"], expected.value, what);
    match expected.interval {
        Some(interval) => {
            near(&reported["interval"]["low"], Some(interval.low), what);
            near(&reported["interval"]["high"], Some(interval.high), what);
        }
        None => assert!(reported["interval"].is_null(), "{what}: {reported}"),
    }
}

fn measures(metrics: &ScoreMetrics) -> [(&'static str, &Measure); 8] {
    [
        ("aurc", &metrics.aurc),
        ("normalised_aurc", &metrics.normalised_aurc),
        ("augrc", &metrics.augrc),
        ("spearman", &metrics.spearman),
        ("pearson", &metrics.pearson),
        ("auroc_failed", &metrics.auroc_failed),
        ("auroc_tenth", &metrics.auroc_tenth),
        ("coverage_at_risk", &metrics.coverage_at_risk),
    ]
}

/// From the CSV alone, with an image and its corrupted copies drawn together.
#[test]
fn scores_are_evaluated_with_copies_as_one() {
    let place = place(true);
    let (json, code) = place.json(&evaluate(&["--csv", "scores.csv"]));
    assert_eq!(code, 0);
    let csv = fs::read_to_string(place.path("scores.csv")).unwrap();
    let dice = column(&csv, "dice");
    assert_eq!(dice.len(), 3 * COUNT);
    assert!(
        dice.iter().any(|&dice| dice < 0.5) && dice.contains(&1.0),
        "{dice:?}"
    );
    let sources: Vec<usize> = (0..3).flat_map(|_| 0..COUNT).collect();
    let (grouped, single) = (
        Bootstrap::new(&sources, DRAWS, 1),
        Bootstrap::new(&(0..dice.len()).collect::<Vec<_>>(), DRAWS, 1),
    );
    let reported = json["scores"].as_array().unwrap();
    assert_eq!(reported.len(), KINDS.len());
    assert!(json["no_truth"].is_null());
    for (reported, kind) in reported.iter().zip(KINDS) {
        assert_eq!(reported["score"], kind);
        let scored = Scored::new(&column(&csv, kind), &dice);
        let expected = evaluate_score(&scored, &grouped, AurcVariant::Full);
        for (name, measure) in measures(&expected) {
            assert!(measure.interval.is_some(), "{kind} {name}");
            same(&reported[name], measure, &format!("{kind} {name}"));
        }
        let alone = evaluate_score(&scored, &single, AurcVariant::Full)
            .augrc
            .interval
            .unwrap();
        assert!(
            (reported["augrc"]["interval"]["low"].as_f64().unwrap() - alone.low).abs() > 1e-3,
            "copies are no independent evidence"
        );
        for (reported, expected) in reported["dice_at"]
            .as_array()
            .unwrap()
            .iter()
            .zip(&expected.dice_at)
        {
            same(reported, expected, kind);
        }
    }

    let (zenk, _) = place.json(&evaluate(&["--aurc", "zenk"]));
    for (zenk, full) in zenk["scores"].as_array().unwrap().iter().zip(reported) {
        let kind = full["score"].as_str().unwrap();
        let scored = Scored::new(&column(&csv, kind), &dice);
        near(&zenk["aurc"]["value"], aurc_zenk(&scored), kind);
        assert!(zenk["aurc"]["interval"].is_null());
        assert_eq!(
            zenk["normalised_aurc"], full["normalised_aurc"],
            "only the area is theirs"
        );
    }
}

#[test]
fn every_form_tells_the_same() {
    let place = place(true);
    let (json, _) = place.json(&evaluate(&["--report", "first"]));
    let printed = place.run(&evaluate(&["--report", "second"]));
    assert_eq!((printed.code, &*printed.stderr), (0, ""), "{printed:?}");
    assert!(printed.stdout.trim_end().ends_with("second/report.html"));
    let markdown = place.run(&evaluate(&["--markdown"])).stdout;
    assert!(
        markdown
            .contains("| metric | mu | soft Dice confidence | object confidence | quality score |\n|---|"),
        "{markdown}"
    );
    let report = fs::read_to_string(place.path("first/report.md")).unwrap();
    let page = fs::read_to_string(place.path("first/report.html")).unwrap();
    for score in json["scores"].as_array().unwrap() {
        let (measure, ends) = (&score["augrc"], &score["augrc"]["interval"]);
        let [value, low, high] =
            [&measure["value"], &ends["low"], &ends["high"]].map(|it| it.as_f64().unwrap());
        let cell = format!("{value:.3} ({low:.3} to {high:.3})");
        for form in [&printed.stdout, &markdown] {
            let row = form.lines().find(|line| line.contains("AUGRC")).unwrap();
            assert!(row.contains(&cell), "{cell} in {row}");
        }
        assert!(
            report.contains(&cell) && page.contains(&format!("{value:.3}")),
            "{cell}"
        );
    }
    for figure in ["risk-coverage", "scores-against-dice", "dice-and-rejection"] {
        for end in ["svg", "png"] {
            assert!(place.path(&format!("first/figures/{figure}.{end}")).is_file());
        }
    }
    for table in ["scores", "gate", "corruption"] {
        assert!(place.path(&format!("first/tables/{table}.csv")).is_file());
    }
    for file in ["report.html", "report.md", "tables/scores.json"] {
        let [first, second] =
            ["first", "second"].map(|run| fs::read(place.path(&format!("{run}/{file}"))).unwrap());
        assert!(first == second, "{file}: the same run, the same bytes");
    }
}

/// Without truth nothing is said of quality, but what mu and its calibration tell.
#[test]
fn without_truth() {
    let place = place(false);
    let (json, code) = place.json(&evaluate(&["--csv", "scores.csv"]));
    assert_eq!(code, 0);
    assert_eq!(json["scores"].as_array().unwrap().len(), 0);
    let csv = fs::read_to_string(place.path("scores.csv")).unwrap();
    let (reported, mu) = (&json["no_truth"], column(&csv, "mu"));
    for (distribution, kind) in reported["distributions"].as_array().unwrap().iter().zip(KINDS) {
        assert_eq!(
            (&distribution["score"], &distribution["images"]),
            (&kind.into(), &(3 * COUNT).into())
        );
        let values = column(&csv, kind);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        near(&distribution["mean"], Some(mean), kind);
        let percentiles: Vec<f64> = distribution["percentiles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it[1].as_f64().unwrap())
            .collect();
        assert!(
            percentiles.is_sorted() && percentiles.len() == 5,
            "{percentiles:?}"
        );
        let below = values
            .iter()
            .filter(|&&value| value < percentiles[2] - 1e-6)
            .count();
        assert!(below <= values.len() / 2, "half lie above the median");
    }
    let calibration = Calibration::read(&place.path("models/tiny/1/calibration.json")).unwrap();
    let calibrated: Vec<f64> = calibration.entries.iter().map(|entry| entry.mu).collect();
    let shifts = reported["shifts"].as_array().unwrap();
    assert_eq!(shifts.len(), 3);
    for (shift, mu) in shifts.iter().zip(mu.chunks(COUNT)) {
        assert_eq!(shift["images"], COUNT);
        assert_eq!(shift["ks_critical_value"], ks_critical_value(COUNT, COUNT));
        for rejected in shift["rejected_at_coverage"].as_array().unwrap() {
            let threshold = calibration.threshold(rejected[0].as_f64().unwrap());
            let below = mu.iter().filter(|&&mu| mu < threshold - 1e-6).count();
            assert_eq!(rejected[1], below as f64 / COUNT as f64, "{shift}");
        }
    }
    assert_eq!(
        shifts[0]["drift"], 0.0,
        "the clean images are the calibration's own"
    );
    let drift = kolmogorov_smirnov(&mu[2 * COUNT..], &calibrated).unwrap();
    assert!(drift > 0.2, "heavy blur moves mu by {drift}");
    near(&shifts[2]["drift"], Some(drift), "drift");

    let printed = place.run(&evaluate(&["--report", "reported"]));
    assert_eq!(printed.code, 0, "{printed:?}");
    for words in [
        "drift of mu",
        "rejected at 90 %",
        "cannot be said",
        "ground truth",
    ] {
        assert!(printed.stdout.contains(words), "{words} in {}", printed.stdout);
    }
    let metric = |line: &str| line.trim_start().starts_with("AURC");
    assert!(!printed.stdout.lines().any(metric), "no metric that needs truth");
    let report = fs::read_to_string(place.path("reported/report.md")).unwrap();
    for words in ["What cannot be said", "distribution-of-mu", "drift of mu"] {
        assert!(report.contains(words), "{words} in {report}");
    }
}

#[test]
fn without_truth_and_calibration() {
    let place = Place::new(1, &[]);
    place.picture("data/one.png", 1, 40, 52);
    let (json, code) = place.json(&["evaluate", "--data", "data"]);
    assert_eq!(code, 0);
    let reported = &json["no_truth"];
    assert_eq!(reported["shifts"].as_array().unwrap().len(), 0);
    let missing = reported["cannot_say"].as_array().unwrap();
    assert!(
        missing
            .iter()
            .any(|words| words.as_str().unwrap().contains("sagate calibrate")),
        "{missing:?}"
    );
    let printed = place.run(&["evaluate", "--data", "data", "--report", "reported"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(printed.stdout.contains("sagate calibrate"), "{}", printed.stdout);
}
