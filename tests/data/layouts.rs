//! Layouts that are widely used: any Decathlon task, nnU-Net's raw data, plain folders; and the commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array2, Array3};
use sagate_core::imaging::Image;
use sagate_lab::data::published::{Layout, Options};
use sagate_lab::data::{write_image, write_mask};

use crate::published_tree::{imported, label, refused, splits, subjects, volume};

fn json(path: &Path, value: &serde_json::Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// A Decathlon task of MR scans with negative values.
fn decathlon(dir: &Path, scans: usize) {
    let mut training = Vec::new();
    for scan in 0..scans {
        volume(&dir.join(format!("imagesTr/la_{scan}.nii.gz")), 1, |_, at| {
            if label(at) == 0 { -50 } else { 50 + scan as i16 }
        });
        volume(&dir.join(format!("labelsTr/la_{scan}.nii.gz")), 1, |_, at| {
            label(at)
        });
        training.push(serde_json::json!({
            "image": format!("./imagesTr/la_{scan}.nii.gz"), "label": format!("./labelsTr/la_{scan}.nii.gz"),
        }));
    }
    let about = serde_json::json!({
        "name": "LeftAtrium", "description": "d", "licence": "CC-BY-SA 4.0", "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "left atrium"}, "training": training,
    });
    json(&dir.join("dataset.json"), &about);
}

#[test]
fn any_decathlon_task_is_read_by_its_description() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("Task02_Heart");
    decathlon(&root, 10);
    let options = Options {
        test: Some(0.3),
        ..Options::default()
    };
    let task = imported(Layout::Decathlon, &root, place.path(), options).unwrap();
    let [train, validation, test] = splits(&task);
    assert_eq!(
        [train, validation, test.clone()].map(|split| subjects(&split).len()),
        [6, 1, 3]
    );
    assert_eq!(
        (task.name(), task.classes()[0].name.as_str()),
        ("leftatrium", "left atrium")
    );
    for example in &test {
        for (&v, &label) in example.image.pixels.iter().zip(example.truth.as_ref().unwrap()) {
            assert_eq!(
                v,
                65535.0 * f32::from(label),
                "each scan's own range fills 16 bits"
            );
        }
    }
}

#[test]
fn what_a_decathlon_description_has_wrong_is_named() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("task");
    decathlon(&root, 3);
    let about = root.join("dataset.json");
    let text = fs::read_to_string(&about).unwrap();
    let with = |from: &str, to: &str| {
        fs::write(&about, text.replace(from, to)).unwrap();
        refused(Layout::Decathlon, &root, Options::default())
    };
    let said = with("./imagesTr/la_1", "../outside/la_1");
    assert!(
        said.contains("a path in training is ../outside/la_1.nii.gz"),
        "{said}"
    );
    let said = with("labelsTr/la_2", "labelsTr/la_7");
    assert!(said.contains("labelsTr/la_7.nii.gz: is not there"), "{said}");
    let said = with("\"0\":\"MRI\"", "\"0\":\"MRI\",\"1\":\"more\"");
    assert!(
        said.contains("la_") && said.contains("the number of channels is 1; it must be 2"),
        "{said}"
    );
    let said = with("\"0\":\"MRI\"", "\"1\":\"MRI\"");
    assert!(said.contains("dataset.json: modality"), "{said}");
    let said = with("\"modality\"", "\"mode\"");
    assert!(
        said.contains("dataset.json") && said.contains("modality"),
        "{said}"
    );
    fs::remove_file(&about).unwrap();
    assert!(refused(Layout::Decathlon, &root, Options::default()).contains("dataset.json: is not there"));
    decathlon(&root, 1);
    let said = refused(Layout::Decathlon, &root, Options::default());
    assert!(said.contains("has 1 subject(s), too few"), "{said}");
}

/// A raw data set of nnU-Net of two channels, with label 3 for what nobody decided on.
fn nnunet(dir: &Path, test: bool) {
    let case = |suffix: &str, name: &str| {
        for channel in 0..2 {
            let path = dir.join(format!("images{suffix}/{name}_{channel:04}.nii.gz"));
            volume(&path, 1, |_, at| label(at) * (channel + 1));
        }
        volume(&dir.join(format!("labels{suffix}/{name}.nii.gz")), 1, |_, at| {
            label(at) + 3 * i16::from(at == [5, 2, 3])
        });
    };
    for number in 0..6 {
        case("Tr", &format!("case_{number}"));
    }
    if test {
        case("Ts", "held_0");
    }
    let about = serde_json::json!({
        "channel_names": {"0": "T2", "1": "DWI"}, "file_ending": ".nii.gz", "numTraining": 6,
        "labels": {"background": 0, "zone": 1, "whole": [1, 2], "ignore": 3},
    });
    json(&dir.join("dataset.json"), &about);
}

#[test]
fn nnunets_raw_data_test_on_their_own_test_cases_or_on_a_share() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("Dataset005_Prostate");
    nnunet(&root, false);
    let task = imported(Layout::Nnunet, &root, place.path(), Options::default()).unwrap();
    let [train, validation, test] = splits(&task);
    assert_eq!(
        [train, validation, test].map(|split| subjects(&split).len()),
        [4, 1, 1]
    );

    nnunet(&root, true);
    let task = imported(Layout::Nnunet, &root, place.path(), Options::default()).unwrap();
    let [train, validation, test] = splits(&task);
    assert_eq!([&train, &validation].map(|split| subjects(split).len()), [5, 1]);
    assert_eq!(subjects(&test).into_iter().collect::<Vec<_>>(), ["held_0"]);
    assert_eq!(task.channels(), ["T2", "DWI"]);
    for example in &test {
        let object = example
            .truth
            .as_ref()
            .unwrap()
            .iter()
            .filter(|&&v| v == 1)
            .count();
        assert_eq!(object, 6, "every label but background and ignore");
    }
    let share = Options {
        test: Some(0.5),
        ..Options::default()
    };
    assert!(refused(Layout::Nnunet, &root, share).contains("--test is 0.5; it must be left out"));
}

#[test]
fn what_nnunets_raw_data_lack_is_named() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("Dataset005_Prostate");
    nnunet(&root, false);
    let refused = || refused(Layout::Nnunet, &root, Options::default());
    fs::remove_file(root.join("imagesTr/case_2_0001.nii.gz")).unwrap();
    let said = refused();
    assert!(
        said.contains("case_2_0001.nii.gz: is not there; it is channel 1 of case case_2"),
        "{said}"
    );
    fs::remove_file(root.join("labelsTr/case_2.nii.gz")).unwrap();
    let said = refused();
    assert!(
        said.contains("labelsTr/case_2.nii.gz: is not there; it is the mask of"),
        "{said}"
    );
    let about = root.join("dataset.json");
    let text = fs::read_to_string(&about).unwrap();
    fs::write(&about, text.replace(".nii.gz", ".nrrd")).unwrap();
    assert!(refused().contains("file_ending is .nrrd"));
}

fn picture(dir: &Path, name: &str, value: f32) {
    let place = |kind: &str| {
        let folder = dir.join(kind);
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{name}.png"))
    };
    let pixels = Array3::from_elem((1, 4, 5), value);
    let spacing = [1.0, 1.0];
    write_image(&place("images"), &Image::new(pixels, spacing)).unwrap();
    write_mask(&place("masks"), &Array2::from_elem((4, 5), 255)).unwrap();
}

#[test]
fn plain_folders_are_split_by_the_subjects_that_names_tell() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("mine");
    for patient in 0..5_u8 {
        for slice in [3, 4, 7] {
            picture(
                &root,
                &format!("p{patient}-{slice:02}"),
                f32::from(patient) * 300.0,
            );
        }
    }
    let task = imported(Layout::Folder, &root, place.path(), Options::default()).unwrap();
    let mut owners = Vec::new();
    for split in sagate_lab::data::Split::ALL {
        let examples = task.split(split).unwrap();
        let patients: std::collections::BTreeSet<_> = examples
            .iter()
            .map(|example| example.name[..2].to_owned())
            .collect();
        owners.push(patients.len());
        assert_eq!(
            examples.len(),
            3 * patients.len(),
            "a patient's slices stay together"
        );
        for slices in examples.chunks(3) {
            let steps: Vec<usize> = slices
                .iter()
                .map(|slice| slice.position - slices[0].position)
                .collect();
            assert_eq!(steps, [0, 1, 4], "and keep their distances");
            assert!(
                slices[0].truth.as_ref().unwrap().iter().all(|&label| label == 1),
                "255 is the object too"
            );
            let patient: f32 = slices[0].name[1..2].parse().unwrap();
            assert!(slices[0].image.pixels.iter().all(|&v| v == patient * 300.0));
        }
    }
    assert_eq!(owners, [3, 1, 1]);
}

#[test]
fn plain_folders_of_splits_are_the_splits() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("mine");
    for number in 0..4 {
        picture(&root.join("train"), &format!("a{number}"), 1.0);
    }
    picture(&root.join("test"), "b", 2.0);
    let task = imported(Layout::Folder, &root, place.path(), Options::default()).unwrap();
    let counts = splits(&task).map(|split| split.len());
    assert_eq!(counts, [3, 1, 1]);
    picture(&root.join("validation"), "c", 3.0);
    let task = imported(Layout::Folder, &root, place.path(), Options::default()).unwrap();
    let [train, validation, _] = splits(&task);
    assert_eq!(
        (train.len(), subjects(&validation).first().unwrap().as_str()),
        (4, "c")
    );

    fs::remove_file(root.join("train/masks/a2.png")).unwrap();
    let said = refused(Layout::Folder, &root, Options::default());
    assert!(said.contains("a2.png: has no mask"), "{said}");
    assert!(refused(Layout::Folder, place.path(), Options::default()).contains("images: is not a folder"));
}

fn sagate(arguments: &[&str], here: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sagate"))
        .arg("data")
        .args(arguments)
        .current_dir(here)
        .output()
        .unwrap()
}

#[test]
fn the_commands_import_and_list() {
    let place = tempfile::tempdir().unwrap();
    decathlon(&place.path().join("heart"), 6);
    let arguments = [
        "import",
        "decathlon",
        "--root",
        "heart",
        "--out",
        "task",
        "--side",
        "16",
        "--object",
        "1,2",
        "--json",
    ];
    let output = sagate(&arguments, place.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let reported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let written: u64 = ["train", "validation", "test"]
        .iter()
        .map(|split| reported[split].as_u64().unwrap())
        .sum();
    assert_eq!(written, 6 * crate::published_tree::SHOWN.len() as u64);
    assert!(place.path().join("task/task.toml").is_file());

    let again = sagate(&arguments, place.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));

    let none = sagate(
        &["import", "brats", "--root", "heart", "--out", "brats"],
        place.path(),
    );
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("Get it from"));

    fs::rename(place.path().join("heart"), place.path().join("Task07_Pancreas")).unwrap();
    let output = sagate(&["sets", "--root", ".", "--json"], place.path());
    let reported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = |name: &str| {
        let rows = reported.as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["found"].clone()
    };
    assert_eq!(
        found("pancreas"),
        serde_json::json!([PathBuf::from("./Task07_Pancreas/dataset.json")])
    );
    assert_eq!(found("isic2017"), serde_json::Value::Null);
    let plain = sagate(&["sets"], place.path());
    assert!(String::from_utf8_lossy(&plain.stdout).contains("medicaldecathlon.com"));
}
