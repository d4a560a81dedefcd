//! `sagate data` as a user types it.

use std::path::Path;
use std::process::{Command, Output};

use crate::t1_volume::write_u8;

fn sagate(arguments: &[&str], here: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sagate"))
        .arg("data")
        .args(arguments)
        .current_dir(here)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn missing_volumes_end_with_advice_and_write_nothing() {
    let place = tempfile::tempdir().unwrap();
    let output = sagate(&["t1", "--templates", "nowhere", "--out", "tasks"], place.path());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("nowhere/ch2.nii.gz") && said.contains("--inia19"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn some_of_the_four_files_are_not_enough() {
    let place = tempfile::tempdir().unwrap();
    let output = sagate(&["t1", "--ch2", "ch2.nii.gz", "--out", "tasks"], place.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--aal"));
}

#[test]
fn the_committed_samples_can_be_corrupted() {
    let place = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/t1-brain");
    let samples = samples.to_str().unwrap();
    let arguments = [
        "corrupt",
        samples,
        "--kind",
        "bias-field",
        "--severity",
        "2",
        "--seed",
        "7",
        "--out",
        "out",
        "--json",
    ];
    let output = sagate(&arguments, place.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let reported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = std::fs::read_dir(place.path().join("out/images"))
        .unwrap()
        .count();
    assert_eq!(reported["images"], images);
    assert_eq!(
        reported["corruption"],
        serde_json::json!({"kind": "bias-field", "severity": 2, "seed": 7})
    );
    assert_eq!(
        std::fs::read_dir(place.path().join("out/masks")).unwrap().count(),
        images
    );

    let again = sagate(&arguments, place.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--force"));
}

#[test]
fn wrong_severities_and_volumes_are_refused_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    write_u8(&place.path().join("head.nii.gz"), [4, 5, 6], |_| 1);
    let with = |severity| {
        sagate(
            &[
                "corrupt",
                "head.nii.gz",
                "--kind",
                "blur",
                "--severity",
                severity,
                "--out",
                "out",
            ],
            place.path(),
        )
    };
    let output = with("4");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("1 (mild), 2 (moderate) or 3 (severe)"));
    let output = with("1");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("head.nii.gz: holds a volume of 6 slices"),
        "{}",
        stderr(&output)
    );
    assert!(!place.path().join("out").exists());
}

#[test]
fn phantoms_are_drawn_by_family_with_a_picture_of_them() {
    let place = tempfile::tempdir().unwrap();
    let arguments = [
        "phantom",
        "--family",
        "pancreas-like,brats-like",
        "--out",
        "tasks",
        "--side",
        "32",
        "--train",
        "2",
        "--validation",
        "1",
        "--test",
        "1",
        "--pictures",
        "phantoms.png",
        "--json",
    ];
    let output = sagate(&arguments, place.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let reported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let families: Vec<&str> = reported
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["family"].as_str().unwrap())
        .collect();
    assert_eq!(families, ["brats-like", "pancreas-like"]);
    let count = |dir: &str| std::fs::read_dir(place.path().join(dir)).unwrap().count();
    assert_eq!(count("tasks"), 2);
    assert_eq!(count("tasks/brats-like/train/images"), 2);
    assert!(
        place
            .path()
            .join("tasks/brats-like/test/images/brats-like-0000000.npy")
            .is_file()
    );
    let picture = std::fs::read(place.path().join("phantoms.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    // Again: all is there already.
    assert!(sagate(&arguments, place.path()).status.success());
}

#[test]
fn phantoms_that_cannot_be_drawn_are_refused_by_flag() {
    let place = tempfile::tempdir().unwrap();
    for (family, side, said) in [
        ("brats", "64", "brats-like, isic-like"),
        ("all", "8", "--side is 8; it must be from 32 to 1024"),
    ] {
        let output = sagate(
            &["phantom", "--family", family, "--side", side, "--out", "tasks"],
            place.path(),
        );
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
