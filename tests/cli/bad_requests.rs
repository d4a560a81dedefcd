//! Requests that cannot be met, through the binary: gates, models, layers, slices, folders and data that are not there or
//! make no sense.
//!
//! What would break: a person is not told which flag or file is wrong and what would be right, a model's folder is changed
//! by a calibration that failed, or something half done is left behind.

use std::fs;
use std::process::{Command, Stdio};

use crate::bad_files::{
    Bad, garbage, half, not_finite, of_no_size, truncated, wrong_channels, wrong_length, wrong_type,
};
use crate::binary::{Place, finish, safetensors};
use crate::nifti_file::NiftiFile;
use image::{GrayImage, Luma};

#[test]
fn gates_that_cannot_be() {
    let place = Place::new(1, &[0.1]);
    let image = place.picture("image.png", 1, 32, 32);
    for command in [
        vec!["segment", &image],
        vec!["interpret", &image, "--out", "seen"],
    ] {
        for (flag, value, shown) in [
            ("--coverage", "1.5", "coverage is 1.5"),
            ("--coverage", "-0.1", "coverage is -0.1"),
            ("--coverage", "NaN", "coverage is NaN"),
            ("--threshold", "2", "threshold is 2"),
            ("--threshold", "-1", "threshold is -1"),
            ("--threshold", "inf", "threshold is inf"),
        ] {
            let ended = place.run(&[&command[..], &[flag, value]].concat());
            ended.assert_refused(2, &[shown, "from 0 to 1", "gate.allowed_"]);
        }
        let words = place.run(&[&command[..], &["--coverage", "much"]].concat());
        assert_eq!(words.code, 2);
        assert!(
            words.stderr.contains("'much'") && words.stderr.contains("--coverage"),
            "{words:?}"
        );
        let both = place.run(&[&command[..], &["--coverage", "0.5", "--threshold", "0.5"]].concat());
        assert_eq!(both.code, 2);
        assert!(
            both.stderr.contains("--coverage") && both.stderr.contains("--threshold"),
            "{both:?}"
        );
    }
    let mut narrow = place.command(&["segment", &image, "--coverage", "0.99"]);
    let ended = finish(narrow.env("SAGATE__GATE__ALLOWED_COVERAGE", "[0.5, 0.95]"));
    ended.assert_refused(2, &["coverage is 0.99", "from 0.5 to 0.95"]);
    assert_eq!(place.names("seen"), [""; 0]);
}

#[test]
fn models_that_are_not_there() {
    let place = Place::new(1, &[]);
    let image = place.picture("image.png", 1, 32, 32);
    let commands: [&[&str]; 4] = [
        &["segment", &image],
        &["interpret", &image, "--out", "seen"],
        &["calibrate", "--data", "."],
        &["evaluate", "--data", "."],
    ];
    for (command, (model, words)) in commands.into_iter().zip([
        ("huge", ["no model `huge` in models", "there is tiny@1"]),
        ("tiny@7", ["no model `tiny@7` in models", "there is tiny@1"]),
        ("tiny@new", ["version `new` is no whole number", "tiny@1"]),
        ("../tiny", ["`../tiny` is no name", "letters, digits"]),
    ]) {
        let ended = finish(without_model(&place, command).args(["--models", "models", "--model", model]));
        ended.assert_refused(1, &words);
    }
    let ended = finish(without_model(&place, commands[0]).args(["--models", "nowhere"]));
    ended.assert_refused(1, &["no folder of models at nowhere", "--models DIR"]);
    let weights = place.path("models/tiny/1/weights.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, half(&whole)).unwrap();
    for command in &commands[..2] {
        place
            .run(command)
            .assert_refused(1, &["models/tiny/1", "weights.safetensors"]);
    }
    assert_eq!(place.names("seen"), [""; 0]);
}

/// A command line that says itself which model it wants.
fn without_model(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
    command
        .args(arguments)
        .current_dir(place.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn layers_classes_and_slices_that_are_not_there() {
    let place = Place::new(2, &[0.1]);
    let image = place.picture("image.png", 1, 32, 32);
    place.write("volume.nii", &NiftiFile::counting(&[20, 24, 3]).bytes());
    for (file, flag, value, words) in [
        (&*image, "--layers", "19", ["--layers is 19", "layers 1 to 18"]),
        (&*image, "--layers", "3,0", ["--layers is 0", "layers 1 to 18"]),
        (&*image, "--units-of", "0", ["--units-of is 0", "layers 1 to 18"]),
        (
            &*image,
            "--units-of",
            "99",
            ["--units-of is 99", "layers 1 to 18"],
        ),
        (&*image, "--class", "0", ["--class is 0", "classes 1 to 2"]),
        (&*image, "--class", "3", ["--class is 3", "classes 1 to 2"]),
        (
            &*image,
            "--slice",
            "1",
            ["--slice is 1", "image.png has the slices 0 to 0"],
        ),
        (
            "volume.nii",
            "--slice",
            "3",
            ["--slice is 3", "volume.nii has the slices 0 to 2"],
        ),
    ] {
        let ended = place.run(&["interpret", file, "--out", "seen", flag, value]);
        ended.assert_refused(2, &words);
        assert_eq!(place.names("seen"), [""; 0], "{flag} {value}");
    }
}

#[test]
fn images_that_cannot_be_interpreted() {
    let place = Place::new(1, &[0.1]);
    let sorts = [of_no_size(), not_finite(), wrong_channels(), wrong_type()];
    for Bad { name, bytes, words } in sorts.map(|mut sort| sort.remove(0)) {
        place.write(name, &bytes);
        let ended = place.run(&["interpret", name, "--out", "seen"]);
        ended.assert_refused(1, words);
        assert!(ended.errors()[0].contains(name), "{ended:?}");
        assert!(!place.path("seen").exists(), "{name} left something behind");
    }
}

#[test]
fn places_that_cannot_be_written() {
    let place = Place::new(1, &[0.1]);
    let image = place.picture("image.png", 1, 32, 32);
    place.write("taken", b"a file");
    for command in [
        vec!["segment", &image, "--out", "taken"],
        vec!["interpret", &image, "--out", "taken"],
        vec!["segment", &image, "--out", "taken/below"],
    ] {
        let ended = place.run(&command);
        ended.assert_refused(1, &["--out taken", "folder"]);
    }
    assert_eq!(fs::read(place.path("taken")).unwrap(), b"a file");
    // A folder stands where the mask should go: the image fails, and what stood there still stands.
    fs::create_dir_all(place.path("masks/image.mask.png")).unwrap();
    let ended = place.run(&["segment", &image, "--out", "masks"]);
    ended.assert_refused(1, &["masks/image.mask.png", "a folder of that name exists"]);
    assert_eq!(place.names("masks"), ["image.mask.png"]);
}

#[test]
fn data_that_cannot_be_calibrated_on() {
    let place = Place::new(1, &[0.1]);
    place.picture("good/a.png", 1, 32, 32);
    let before: Vec<(String, Vec<u8>)> = snapshot(&place);
    let calibrate = |data: &str, code, words: &[&str]| {
        place
            .run(&["calibrate", "--data", data])
            .assert_refused(code, words);
        assert_eq!(snapshot(&place), before, "{data} changed the model");
    };
    calibrate(
        "nowhere",
        1,
        &["nowhere", "is not a folder", "a folder of images"],
    );
    calibrate("good/a.png", 1, &["good/a.png", "is not a folder"]);
    fs::create_dir(place.path("empty")).unwrap();
    calibrate("empty", 1, &["empty", "holds no image", ".png"]);
    let sorts = [
        of_no_size(),
        not_finite(),
        wrong_channels(),
        wrong_type(),
        wrong_length(),
        truncated(),
    ];
    for (index, mut sort) in sorts.into_iter().enumerate() {
        let Bad { name, bytes, words } = sort.remove(0);
        let folder = format!("bad-{index}");
        place.picture(&format!("{folder}/good.png"), 1, 32, 32);
        place.write(&format!("{folder}/{name}"), &bytes);
        calibrate(&folder, 1, words);
    }
    for (name, height, label, words) in [
        ("small", 31, 1, ["masks/a.png", "31 x 32 pixels", "32 x 32"]),
        (
            "binary",
            32,
            255,
            [
                "a: the true mask holds label 255",
                "labels 0 (background) to 1",
                "tiny@1",
            ],
        ),
    ] {
        place.picture(&format!("{name}/images/a.png"), 1, 32, 32);
        fs::create_dir(place.path(&format!("{name}/masks"))).unwrap();
        let mask = GrayImage::from_pixel(32, height, Luma([label]));
        mask.save(place.path(&format!("{name}/masks/a.png"))).unwrap();
        calibrate(name, 1, &words);
    }
    for value in ["1.5", "-1", "NaN"] {
        let ended = place.run(&["calibrate", "--data", "good", "--coverage", value]);
        ended.assert_refused(2, &["--coverage is", value, "from 0 to 1"]);
    }
    assert_eq!(snapshot(&place), before);
}

/// Every file of the model with its bytes.
fn snapshot(place: &Place) -> Vec<(String, Vec<u8>)> {
    let names = place.names("models/tiny/1").into_iter();
    names
        .map(|name| {
            let bytes = fs::read(place.path(&format!("models/tiny/1/{name}"))).unwrap();
            (name, bytes)
        })
        .collect()
}

#[test]
fn evaluations_that_cannot_be() {
    let place = Place::new(1, &[0.1]);
    place.picture("good/a.png", 1, 32, 32);
    for (arguments, code, words) in [
        (
            ["--corruptions", "other-species"],
            2,
            ["--corruptions other-species", "folder `other`"],
        ),
        (
            ["--csv", "nowhere/scores.csv"],
            1,
            ["nowhere/scores.csv", "check that the folder exists"],
        ),
    ] {
        let ended = place.run(&[&["evaluate", "--data", "good"][..], &arguments].concat());
        ended.assert_refused(code, &words);
    }
    for arguments in [
        ["--corruptions", "rust"],
        ["--severities", "4"],
        ["--corruptions", ""],
    ] {
        let ended = place.run(&[&["evaluate", "--data", "good"][..], &arguments].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(arguments[0]), "{ended:?}");
    }
}

#[test]
fn features_that_cannot_be_read() {
    let place = Place::new(1, &[]);
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/support/golden/2d_hard.safetensors"
    );
    let whole = fs::read(golden).unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    for (name, bytes, words) in [
        (
            "empty",
            &b""[..],
            &["no whole safetensors file", "write it again"],
        ),
        (
            "cut",
            half(&whole),
            &["no whole safetensors file", "write it again"],
        ),
        (
            "garbage",
            &garbage(3),
            &["no whole safetensors file", "write it again"],
        ),
        (
            "lying",
            &safetensors(
                r#"{"feature":{"dtype":"F32","shape":[1,9,9,9],"data_offsets":[0,4]}}"#,
                &[0; 4],
            ),
            &["no whole safetensors file", "write it again"],
        ),
    ] {
        place.write(name, bytes);
        let ended = place.run(&["protoseg", name, "--out", "scores"]);
        ended.assert_refused(1, words);
        assert!(ended.errors()[0].starts_with(name), "{ended:?}");
    }
    place
        .run(&["protoseg", "nowhere", "--out", "scores"])
        .assert_refused(1, &["cannot read nowhere", "No such file"]);
    place
        .run(&["protoseg", "folder", "--out", "scores"])
        .assert_refused(1, &["cannot read folder", "it should be a safetensors file"]);
    assert!(!place.path("scores").exists());
    place
        .run(&["protoseg", golden, "--out", "missing/scores"])
        .assert_refused(1, &["missing/scores", "check that the folder exists"]);
    place
        .run(&["protoseg", golden, "--out", "folder"])
        .assert_refused(1, &["folder", "a folder of that name exists"]);
    assert_eq!(place.names("folder"), [""; 0]);
}
