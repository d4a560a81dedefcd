//! `sagate segment` through the binary: what it prints and how it ends.
//!
//! What would break: a decision does not follow from mu and threshold, an exit code lies to a script, Dice is told against
//! a truth that does not fit, or JSON cannot be parsed.

use std::fs;
use std::io::Read;

use image::{GrayImage, Luma};
use ndarray::{Array2, s};
use sagate_core::imaging;
use serde_json::Value;

use crate::binary::{Place, finish, floats, rows, wait};

/// Three images with what the model says of them.
fn three() -> (Place, Vec<String>) {
    let place = Place::new(1, &[0.1, 0.2, 0.3]);
    let files = (1..=3).map(|seed| place.picture(&format!("image-{seed}.png"), seed, 40, 52));
    let files = files.collect();
    (place, files)
}

fn segment<'a>(files: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let files = files.iter().map(String::as_str);
    std::iter::once("segment")
        .chain(files)
        .chain(more.iter().copied())
        .collect()
}

fn mus(json: &Value) -> Vec<f64> {
    rows(json).iter().map(|row| row["mu"].as_f64().unwrap()).collect()
}

#[test]
fn json_says_what_the_library_says() {
    let (place, files) = three();
    let (json, _) = place.json(&segment(&files, &["--coverage", "0.5"]));
    assert_eq!(json["model"], "tiny@1");
    assert_eq!(json["model_hash"], place.pass().hash());
    assert_eq!(json["failed"].as_array().unwrap().len(), 0);
    assert_eq!(rows(&json).len(), 3);
    for (row, file) in rows(&json).iter().zip(&files) {
        let mut keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let wanted = [
            "accept",
            "by",
            "coverage",
            "fault",
            "image",
            "mask",
            "milliseconds",
            "mu",
            "object_confidence",
            "object_fraction",
            "reasons",
            "soft_dice_confidence",
            "threshold",
            "verdict",
        ];
        assert_eq!(keys, wanted);
        let expected = place.expected(file);
        assert!(
            (0.01..0.99).contains(&expected.object_fraction()),
            "the tiny model sees something"
        );
        assert_eq!(row["image"], **file);
        assert_eq!(row["mu"].as_f64().unwrap(), expected.mean_sa.mu, "{file}");
        assert_eq!(
            row["object_fraction"].as_f64().unwrap(),
            expected.object_fraction()
        );
        assert_eq!(
            row["soft_dice_confidence"].as_f64().unwrap(),
            expected.confidence.soft_dice
        );
        assert_eq!(
            row["object_confidence"].as_f64().unwrap(),
            expected.confidence.object
        );
        assert!(
            (0.5..1.0).contains(&expected.confidence.object),
            "an object pixel is likelier than not"
        );
        assert_eq!((&row["coverage"], &row["threshold"]), (&0.5.into(), &0.2.into()));
        assert!(row["fault"].is_null() && row["mask"].as_array().unwrap().is_empty());
    }
}

/// Accepted exactly where mu reaches the threshold, ties included; the exit code says whether all were.
#[test]
fn decisions_follow_from_threshold_and_coverage() {
    let (place, files) = three();
    let (all, code) = place.json(&segment(&files, &["--coverage", "1.0"]));
    assert_eq!(code, 0);
    assert!(
        rows(&all)
            .iter()
            .all(|row| row["accept"] == true && row["verdict"] == "ACCEPT")
    );
    let mut sorted = mus(&all);
    sorted.sort_by(f64::total_cmp);
    assert!(
        sorted[0] < sorted[1] && sorted[1] < sorted[2] && sorted[0] > 0.0,
        "{sorted:?}"
    );

    let (none, code) = place.json(&segment(&files, &["--coverage", "0"]));
    assert_eq!(code, 3);
    for row in rows(&none) {
        assert_eq!(
            (&row["accept"], &row["verdict"]),
            (&false.into(), &"REJECT".into())
        );
        assert_eq!(row["reasons"], serde_json::json!(["BELOW_THRESHOLD"]));
    }
    for (threshold, accepted, code) in [
        (sorted[0] - 1e-9, 3, 0),
        (sorted[0], 3, 0),
        (sorted[1], 2, 3),
        ((sorted[1] + sorted[2]) / 2.0, 1, 3),
        (sorted[2], 1, 3),
        (sorted[2] + 1e-9, 0, 3),
    ] {
        let (json, found) = place.json(&segment(&files, &["--threshold", &threshold.to_string()]));
        assert_eq!(found, code, "{threshold}");
        assert_eq!(mus(&json), mus(&all), "mu does not depend on the threshold");
        let passing = rows(&json).iter().filter(|row| row["accept"] == true);
        assert_eq!(passing.count(), accepted, "{threshold}");
        for row in rows(&json) {
            assert_eq!(row["accept"], row["mu"].as_f64().unwrap() >= threshold);
            assert_eq!(row["threshold"].as_f64().unwrap(), threshold);
            assert!(row["coverage"].is_null());
            assert_eq!(
                row["reasons"].as_array().unwrap().is_empty(),
                row["accept"] == true
            );
        }
    }
}

#[test]
fn without_calibration_nothing_passes_unless_configured() {
    let place = Place::new(1, &[]);
    let files = [place.picture("image.png", 1, 40, 52)];
    for more in [&[][..], &["--coverage", "1.0"], &["--threshold", "0"]] {
        let arguments = segment(&files, more);
        let (json, code) = place.json(&arguments);
        assert_eq!(code, 3, "{more:?}");
        assert_eq!(
            rows(&json)[0]["reasons"],
            serde_json::json!(["NOT_CALIBRATED"]),
            "{more:?}"
        );
        let reported = place.run(&arguments).stderr;
        assert!(
            reported.contains("calibration.json") && reported.contains("sagate calibrate"),
            "{reported}"
        );
    }
    let mut waived = place.command(&segment(&files, &["--threshold", "0", "--json"]));
    let ended = finish(waived.env("SAGATE__GATE__ACCEPT_UNCALIBRATED", "true"));
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// A single pixel is object or background, never both: there is nothing to score, and no coverage lets it pass.
#[test]
fn an_image_of_one_pixel_is_rejected() {
    let place = Place::new(1, &[0.0]);
    GrayImage::from_pixel(1, 1, Luma([7]))
        .save(place.path("dot.png"))
        .unwrap();
    let (json, code) = place.json(&["segment", "dot.png", "--coverage", "1"]);
    let row = &rows(&json)[0];
    let (reason, fault) = match row["object_fraction"].as_f64().unwrap() {
        0.0 => ("EMPTY_PREDICTION", "no object pixel"),
        _ => ("FULL_PREDICTION", "no background pixel"),
    };
    assert_eq!((code, &row["reasons"]), (3, &serde_json::json!([reason])));
    assert!(row["fault"].as_str().unwrap().contains(fault), "{row}");
    for field in ["soft_dice_confidence", "object_confidence"] {
        let confidence = row[field].as_f64().unwrap();
        assert_eq!(
            confidence == 0.0,
            reason == "EMPTY_PREDICTION",
            "{field} in {row}"
        );
    }
}

#[test]
fn the_table_has_a_row_an_image() {
    let (place, files) = three();
    let ended = place.run(&segment(&files, &["--coverage", "1.0"]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let headings: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        headings,
        [
            "image",
            "decision",
            "mu",
            "threshold",
            "soft",
            "Dice",
            "confidence",
            "object",
            "reasons"
        ]
    );
    for (line, file) in lines[2..5].iter().zip(&files) {
        let expected = place.expected(file);
        let mu = format!("{:.3}", expected.mean_sa.mu);
        assert!(
            line.contains(&**file) && line.contains("ACCEPT") && line.contains(&mu),
            "{line}"
        );
        let confidence = expected.confidence;
        for score in [confidence.soft_dice, confidence.object] {
            assert!(line.contains(&format!("{score:.3}")), "{score} in {line}");
        }
        assert!(line.contains("all pass"), "{line}");
    }
    assert_eq!(lines[5..], ["3 of 3 images accepted by tiny@1"]);
    let rejected = place.run(&segment(&files[..1], &["--coverage", "0"])).stdout;
    assert!(
        rejected.contains("REJECT") && rejected.contains("none passes"),
        "{rejected}"
    );
    assert!(
        rejected.contains("BELOW_THRESHOLD") && rejected.contains("0 of 1 images"),
        "{rejected}"
    );
}

#[test]
fn truth_gives_dice() {
    let (place, files) = three();
    let labels = place.expected(&files[0]).labels;
    fs::create_dir(place.path("truth")).unwrap();
    let write = |name: &str, labels: &Array2<u8>| {
        let bytes = imaging::mask::encode_png(labels).unwrap();
        fs::write(place.path(&format!("truth/{name}.png")), bytes).unwrap();
    };
    write("image-1", &labels);
    let mut half = labels.clone();
    half.slice_mut(s![..20, ..]).fill(0);
    write("image-2", &half);
    let arguments = segment(
        &files,
        &[
            "--truth",
            "truth",
            "--out",
            "masks",
            "--overlay",
            "--coverage",
            "1",
        ],
    );
    let (json, code) = place.json(&arguments);
    assert_eq!(code, 0);
    assert_eq!(rows(&json)[0]["dice"].as_f64().unwrap(), 1.0);
    let expected = place.expected(&files[1]).dice(&half);
    assert_eq!(rows(&json)[1]["dice"].as_f64().unwrap(), expected);
    assert!(rows(&json)[2].get("dice").is_none(), "no truth, no Dice");
    let table = place.run(&arguments).stdout;
    assert!(
        table.lines().next().unwrap().contains("Dice") && table.contains("1.000"),
        "{table}"
    );

    write("image-2", &half.slice(s![..39, ..]).to_owned());
    write("image-3", &labels.mapv(|label| label * 255));
    let ended = place.run(&segment(&files, &["--truth", "truth"]));
    assert_eq!((ended.code, ended.errors().len()), (4, 2), "{ended:?}");
    let size = [
        "truth/image-2.png",
        "39 x 52 pixels",
        "must be 40 x 52",
        "image-2.png is",
    ];
    crate::binary::assert_sentence(ended.errors()[0], &size);
    let label = [
        "truth/image-3.png",
        "holds label 255",
        "0 (background) to 1",
        "tiny@1",
    ];
    crate::binary::assert_sentence(ended.errors()[1], &label);
}

#[test]
fn overlays_are_pictures() {
    let (place, files) = three();
    let arguments = segment(&files, &["--out", "masks", "--overlay", "--mask", "none"]);
    place.json(&arguments);
    let wanted = [
        "image-1.overlay.png",
        "image-2.overlay.png",
        "image-3.overlay.png",
        "overview.png",
    ];
    assert_eq!(place.names("masks"), wanted);
    let sizes = wanted.map(|name| {
        let picture = image::open(place.path(&format!("masks/{name}")))
            .unwrap()
            .to_rgb8();
        let colours: std::collections::HashSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colours.len() > 16, "{name} shows something");
        picture.dimensions()
    });
    assert!(sizes[3].0 > sizes[0].0, "the overview holds all: {sizes:?}");
}

/// A reader that goes away ends the program quietly, on stdout as on stderr; the masks are there.
#[test]
fn readers_that_go_away() {
    let place = Place::new(1, &[]);
    let file = place.picture("image.png", 1, 40, 52);
    let mut child = place
        .command(&["segment", &file, "--out", "masks"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let code = wait(&mut child);
    let mut reported = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut reported)
        .unwrap();
    assert_eq!(code, 141, "{reported}");
    assert!(
        !reported.contains("panicked") && !reported.contains("error"),
        "{reported}"
    );
    assert_eq!(place.names("masks"), ["image.mask.png"]);

    let mut child = place.command(&["segment", &file, "nowhere.png"]).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(
        wait(&mut child),
        4,
        "nobody hears the errors, the exit code tells"
    );
}

/// Files that are not images, and names that are not text: JSON is still JSON.
#[cfg(unix)]
#[test]
fn json_is_json_whatever_fails() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new(1, &[0.1]);
    let file = place.picture("image.png", 1, 40, 52);
    let odd = OsStr::from_bytes(b"odd-\xff\"\n.png");
    fs::copy(place.path(&file), place.path(".").join(odd)).unwrap();
    let broken = OsStr::from_bytes(b"broken-\xfe.npy");
    fs::write(place.path(".").join(broken), floats([1.0])).unwrap();
    let mut command = place.command(&["segment", &file, "--json", "--out", "masks"]);
    let ended = finish(command.args([odd, broken]));
    assert_eq!(ended.code, 4, "{ended:?}");
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(rows(&json).len(), 2);
    assert_eq!(json["failed"].as_array().unwrap().len(), 1);
    assert!(
        json["failed"][0]["error"]
            .as_str()
            .unwrap()
            .contains("format is unknown")
    );
    let mask = rows(&json)[1]["mask"][0].as_str().unwrap();
    assert!(place.path(mask).is_file(), "{mask}");
}
