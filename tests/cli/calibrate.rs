//! `sagate calibrate` and `sagate evaluate` through the binary, on plain folders of images.
//!
//! What would break: a threshold lets fewer images pass than its coverage promises, a calibrated model no longer verifies,
//! the scores kept beside it are not those of its images, or an evaluation's tables and files tell different things.

use std::fs;

use safetensors::SafeTensors;
use sagate_core::gate::Calibration;
use sagate_core::imaging;
use serde_json::Value;

use crate::binary::{Ended, Place};

const COUNT: usize = 7;

/// Images in `data`, of two sizes, with or without masks; the masks are the model's own answers, the first one cut.
fn place(masks: bool) -> (Place, Vec<String>) {
    let place = Place::new(1, &[]);
    let folder = if masks { "data/images" } else { "data" };
    let files: Vec<String> = (0..COUNT)
        .map(|seed| {
            place.picture(
                &format!("{folder}/image-{seed:02}.png"),
                seed + 1,
                40 + 8 * (seed / 4),
                52,
            )
        })
        .collect();
    if masks {
        fs::create_dir(place.path("data/masks")).unwrap();
        for (index, file) in files.iter().enumerate() {
            let mut labels = place.expected(file).labels;
            if index == 0 {
                labels.slice_mut(ndarray::s![..20, ..]).fill(0);
            }
            let path = place.path(&format!("data/masks/image-{index:02}.png"));
            imaging::mask::write_png(&path, &labels).unwrap();
        }
    }
    (place, files)
}

fn calibration(place: &Place) -> Calibration {
    Calibration::read(&place.path("models/tiny/1/calibration.json")).unwrap()
}

fn verify(place: &Place) -> Ended {
    place.run(&["model", "verify", "tiny"])
}

fn accepted(json: &Value) -> usize {
    json["images"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["accept"] == true)
        .count()
}

#[test]
fn a_calibration_is_kept_with_the_model() {
    let (place, files) = place(false);
    let before = place.names("models/tiny/1");
    assert!(!before.iter().any(|name| name.starts_with("calibration")));
    let ended = place.run(&["calibrate", "--data", "data", "--coverage", "0.75"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("tiny@1 calibrated on 7 images (the folder data), coverage 0.75"),
        "{ended:?}"
    );
    for line in ["100 %", "all pass", "90 %", "75 %", "50 %"] {
        assert!(ended.stdout.contains(line), "{ended:?}");
    }
    let names = [
        "SHA256SUMS",
        "calibration.json",
        "calibration.safetensors",
        "manifest.toml",
        "weights.safetensors",
    ];
    assert_eq!(place.names("models/tiny/1"), names);
    let sums = fs::read_to_string(place.path("models/tiny/1/SHA256SUMS")).unwrap();
    names[1..]
        .iter()
        .for_each(|name| assert!(sums.contains(name), "{sums}"));
    let verified = verify(&place);
    assert_eq!(verified.code, 0, "{verified:?}");

    let kept = calibration(&place);
    assert_eq!(
        (&*kept.model, kept.model_version, kept.coverage),
        ("tiny", 1, 0.75)
    );
    assert_eq!(kept.data, "the folder data");
    let score = kept.score.as_ref().unwrap();
    assert_eq!(score.perturbations, 20, "the manifest's default");
    assert_eq!(score.estimated_dice, None, "no truth, no estimate");
    let scores = fs::read(place.path("models/tiny/1/calibration.safetensors")).unwrap();
    let scores = SafeTensors::deserialize(&scores).unwrap();
    let units = scores.tensor("unit_sa").unwrap();
    assert_eq!(units.shape()[0], COUNT);
    for (index, (entry, file)) in kept.entries.iter().zip(&files).enumerate() {
        let expected = place.expected(file).mean_sa;
        assert_eq!(entry.name, format!("image-{index:02}"));
        assert_eq!(entry.mu, expected.mu, "alone and in a batch, to the last bit");
        assert_eq!(entry.dice, None, "no truth, no Dice");
        let (json, _) = place.json(&["segment", file]);
        assert_eq!(
            json["images"][0]["score"].as_f64(),
            entry.score,
            "served as it was calibrated"
        );
        let bytes: Vec<u8> = expected
            .units
            .iter()
            .map(|score| (score * 255.0).round() as u8)
            .collect();
        assert_eq!(
            units.data()[index * bytes.len()..(index + 1) * bytes.len()],
            bytes
        );
    }
}

/// At every coverage at least that share of the very same images passes, and no larger threshold would let it.
#[test]
fn thresholds_keep_what_coverage_promises() {
    let (place, files) = place(false);
    place.run(&["calibrate", "--data", "data", "--coverage", "0.6"]);
    let kept = calibration(&place);
    let images: Vec<&str> = files.iter().map(String::as_str).collect();
    let segment = |flags: &[&str]| place.json(&[&["segment"], &images[..], flags].concat());
    for coverage in [1.0, 0.9, 6.0 / 7.0, 0.75, 0.5, 1.0 / 7.0, 0.01] {
        let (json, code) = segment(&["--coverage", &coverage.to_string()]);
        let share = accepted(&json) as f64 / COUNT as f64;
        assert!(
            share >= coverage,
            "{share} of the images pass at coverage {coverage}"
        );
        assert!(
            share < coverage + 1.0 / COUNT as f64 + 1e-12,
            "{share} at {coverage}: too many"
        );
        assert_eq!(code, if accepted(&json) == COUNT { 0 } else { 3 });
        for row in json["images"].as_array().unwrap() {
            assert_eq!(row["coverage"].as_f64().unwrap(), coverage);
            match coverage {
                1.0 => assert!(row["threshold"].is_null(), "minus infinity is no JSON number"),
                _ => assert_eq!(row["threshold"].as_f64().unwrap(), kept.threshold(coverage)),
            }
        }
    }
    assert_eq!(accepted(&segment(&["--coverage", "1"]).0), COUNT);
    assert_eq!(accepted(&segment(&["--coverage", "0"]).0), 0);
    let (json, _) = segment(&[]);
    assert_eq!(
        (accepted(&json), &json["images"][0]["coverage"]),
        (5, &0.6.into()),
        "the calibration's own"
    );
}

#[test]
fn truth_is_kept_as_dice_and_a_second_calibration_replaces_the_first() {
    let (place, files) = place(true);
    let (json, code) = place.json(&["calibrate", "--data", "data", "--description", "made up"]);
    assert_eq!(code, 0);
    assert_eq!(
        (&json["images"], &json["data"]),
        (&COUNT.into(), &"made up".into())
    );
    let first = calibration(&place);
    let dice: Vec<f64> = first.entries.iter().map(|entry| entry.dice.unwrap()).collect();
    assert!(
        dice[0] < 1.0 && dice[1..].iter().all(|&dice| dice == 1.0),
        "{dice:?}"
    );
    for threshold in json["thresholds"].as_array().unwrap() {
        let coverage = threshold["coverage"].as_f64().unwrap();
        let expected = Some(first.threshold(coverage)).filter(|it| it.is_finite());
        assert_eq!(threshold["threshold"].as_f64(), expected, "{coverage}");
    }

    place.picture("few/one.png", 3, 40, 40);
    assert_eq!(place.run(&["calibrate", "--data", "few"]).code, 0);
    let second = calibration(&place);
    assert_eq!(second.entries.len(), 1);
    assert_eq!(second.coverage, 0.9);
    assert_eq!(verify(&place).code, 0);
    assert_eq!(
        place.names("models/tiny/1").len(),
        5,
        "nothing is left of the first"
    );
    let (json, _) = place.json(&["segment", &files[0]]);
    assert_eq!(
        json["images"][0]["threshold"].as_f64().unwrap(),
        second.entries[0].mu
    );
}

/// The quality score: none where it is switched off or there are too few images; a file's values are checked.
#[test]
fn the_score_can_be_left_out_and_is_checked() {
    let (place, files) = place(true);
    let run = |more: &[&str]| place.run(&[&["calibrate", "--data", "data"], more].concat());
    let ended = run(&["--perturbations", "0"]);
    assert!(
        ended.code == 0 && ended.stdout.contains("no quality score"),
        "{ended:?}"
    );
    assert_eq!(calibration(&place).score, None);
    let (json, _) = place.json(&["segment", &files[0]]);
    assert!(json["images"][0].get("score").is_none(), "{json}");
    let ended = run(&["--perturbations", "2"]);
    assert!(ended.code == 0 && ended.stderr.contains("too few"), "{ended:?}");
    assert_eq!(calibration(&place).score, None);
    run(&["--perturbations", "1001"]).assert_refused(2, &["--perturbations", "1001", "1000"]);

    assert_eq!(run(&[]).code, 0);
    let first = calibration(&place);
    assert_eq!(run(&[]).code, 0);
    assert_eq!(calibration(&place), first, "the same images, the same score");
    let name = "a test";
    let mut entry = first.clone();
    entry.entries[2].score = None;
    let message = entry.check(name).unwrap_err().to_string();
    assert!(
        message.contains("entries[2].score") && message.contains(name),
        "{message}"
    );
    let mut text = serde_json::to_value(&first).unwrap();
    text["score"]["fitted"]["weights"].as_array_mut().unwrap().pop();
    let message = Calibration::parse(&text.to_string(), name)
        .unwrap_err()
        .to_string();
    assert!(message.contains("score.fitted"), "{message}");
}

#[test]
fn a_calibration_that_was_tampered_with_is_found() {
    let (place, files) = place(false);
    place.run(&["calibrate", "--data", "data"]);
    let path = place.path("models/tiny/1/calibration.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"coverage\": 0.9", "\"coverage\": 1.0")).unwrap();
    let verified = verify(&place);
    assert_eq!(verified.code, 1);
    let reported = verified.stdout + &verified.stderr;
    assert!(reported.contains("calibration.json"), "{reported}");
    place
        .run(&["segment", &files[0]])
        .assert_refused(1, &["calibration.json", "models/tiny/1"]);
}

/// One image's line of the CSV: name, corruption, severity, mu, dice, accept.
fn lines(place: &Place, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(place.path(name)).unwrap();
    let mut lines = text.lines();
    let headings =
        "image,corruption,severity,mu,dice,accept,reasons,soft_dice_confidence,object_confidence,score";
    assert_eq!(lines.next().unwrap(), headings);
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn evaluate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let flags = [
        "evaluate",
        "--data",
        "data",
        "--corruptions",
        "gaussian-noise,blur",
        "--severities",
        "1,3",
    ];
    [&flags[..], more].concat()
}

#[test]
fn an_evaluation_tells_the_same_in_every_form() {
    let (place, _) = place(true);
    place.run(&["calibrate", "--data", "data"]);
    let (json, code) = place.json(&evaluate(&["--csv", "scores.csv"]));
    assert_eq!(code, 0);
    assert_eq!(
        (&json["model"], &json["data"]),
        (&"tiny@1".into(), &"the folder data".into())
    );
    let groups = json["groups"].as_array().unwrap();
    let labels: Vec<(&str, u64)> = groups
        .iter()
        .map(|group| {
            (
                group["corruption"].as_str().unwrap(),
                group["severity"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("clean", 0),
        ("gaussian-noise", 1),
        ("gaussian-noise", 3),
        ("blur", 1),
        ("blur", 3),
    ];
    assert_eq!(labels, wanted);

    let lines = lines(&place, "scores.csv");
    assert_eq!(lines.len(), 5 * COUNT);
    let number = |text: &String| text.parse::<f64>().unwrap();
    for (group, lines) in groups.iter().zip(lines.chunks(COUNT)) {
        assert_eq!(group["images"], COUNT);
        let mean = |column: usize| lines.iter().map(|line| number(&line[column])).sum::<f64>() / COUNT as f64;
        assert!(
            (group["mean_mu"].as_f64().unwrap() - mean(3)).abs() < 1e-5,
            "{group}"
        );
        assert!(
            (group["mean_dice"].as_f64().unwrap() - mean(4)).abs() < 1e-5,
            "{group}"
        );
        let rejected = lines.iter().filter(|line| line[5] == "false").count();
        assert_eq!(
            group["rejected"].as_f64().unwrap(),
            rejected as f64 / COUNT as f64
        );
        assert!(
            lines
                .iter()
                .all(|line| line[1] == group["corruption"].as_str().unwrap())
        );
    }
    let all = &json["all"];
    let accepted = lines.iter().filter(|line| line[5] == "true").count();
    assert_eq!(
        (&all["images"], &all["accepted"]),
        (&(5 * COUNT).into(), &accepted.into())
    );
    assert!((-1.0..=1.0).contains(&all["spearman"].as_f64().unwrap()));
    let at: Vec<f64> = all["dice_at_coverage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it[0].as_f64().unwrap())
        .collect();
    assert_eq!(at, [1.0, 0.9, 0.7, 0.5]);
    assert_eq!(
        groups[0]["rejected"].as_f64().unwrap(),
        0.0,
        "the same images, coverage 0.9 of 7"
    );

    let table = place.run(&evaluate(&[]));
    assert_eq!((table.code, &*table.stderr), (0, ""));
    let markdown = place.run(&evaluate(&["--markdown"]));
    assert!(
        markdown
            .stdout
            .contains("| corruption | severity | images | mean Dice | mean mu | rejected |\n|---|---|---|")
    );
    for group in groups {
        let (corruption, mu) = (
            group["corruption"].as_str().unwrap(),
            group["mean_mu"].as_f64().unwrap(),
        );
        for printed in [&table.stdout, &markdown.stdout] {
            let row = printed
                .lines()
                .find(|line| line.contains(corruption) && line.contains(&format!("{mu:.3}")));
            assert!(row.is_some(), "{corruption} {mu} in {printed}");
        }
    }
    assert!(table.stdout.contains("Spearman") && table.stdout.contains("all 35 images with truth"));
    assert!(markdown.stdout.contains("| all 35 images with truth |  |"));
}

#[test]
fn an_evaluation_is_the_same_each_time_and_needs_no_truth() {
    let (place, _) = place(false);
    place.run(&["calibrate", "--data", "data"]);
    let arguments = [
        "evaluate",
        "--data",
        "data",
        "--corruptions",
        "rician-noise",
        "--severities",
        "2",
        "--coverage",
        "0",
    ];
    let (json, code) = place.json(&arguments);
    assert_eq!(code, 0);
    assert_eq!(place.json(&arguments).0, json);
    let (other, _) = place.json(&[&arguments[..], &["--seed", "2"]].concat());
    assert_eq!(other["groups"][0], json["groups"][0], "clean is clean");
    assert_ne!(
        other["groups"][1]["mean_mu"], json["groups"][1]["mean_mu"],
        "another seed, other noise"
    );
    for group in json["groups"].as_array().unwrap() {
        assert!(group["mean_dice"].is_null());
        assert_eq!(
            group["rejected"].as_f64().unwrap(),
            1.0,
            "coverage 0 lets none pass"
        );
    }
    assert_eq!(json["all"]["images"], 0);
    assert!(json["all"]["spearman"].is_null() && json["all"]["dice_of_accepted"].is_null());
    let table = place.run(&arguments);
    assert_eq!(table.code, 0, "{table:?}");
    assert!(table.stdout.contains("rician-noise"), "{table:?}");
}
