//! A model as a folder: written, found, opened, and every defect told with its file and field.

use std::path::{Path, PathBuf};
use std::process::Command;

use sagate_core::gate::{Calibration, Entry, UnitScores};
use sagate_core::imaging::Image;
use sagate_core::imaging::preprocess::Step;
use sagate_core::model::{
    Architecture, Class, Input, Manifest, Model, Mu, Provenance, Repository, refresh_checksums, today,
    write_calibration, write_model,
};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::{UNet, UNetConfig};
use serde_json::Value;

const SMALL: UNetConfig = UNetConfig {
    in_channels: 1,
    classes: 2,
    base_width: 1,
};

fn manifest(version: u32) -> Manifest {
    let class = |name: &str, colour| Class {
        name: name.into(),
        colour,
    };
    Manifest {
        format: 1,
        name: "tiny".into(),
        version,
        description: "Finds nothing in particular".into(),
        licence: "MIT OR Apache-2.0".into(),
        architecture: Architecture::unet2d(SMALL),
        input: Input {
            channels: vec!["T1".into(), "T2".into()],
            plane: None,
            range: Some([0.0, 255.0]),
            min_size: Some([16, 16]),
            max_size: Some([64, 32]),
        },
        preprocessing: vec![Step::SelectChannels { channels: vec![1] }, Step::ZScore],
        classes: vec![class("left", [230, 159, 0]), class("right", [0, 114, 178])],
        mu: Mu { layers: vec![17, 18] },
        score: Default::default(),
        provenance: Provenance {
            data: "none, weights as initialised".into(),
            command: "cargo test".into(),
            seed: 5,
            date: today(),
            loss: "none".into(),
            epochs: None,
            validation_dice: None,
        },
    }
}

fn weights() -> Weights {
    let store = tch::nn::VarStore::new(tch::Device::Cpu);
    UNet::new(&store.root(), &SMALL, 5).unwrap();
    Weights::from_store(&store).unwrap()
}

fn calibration(version: u32) -> Calibration {
    let entry = |(name, mu): (&str, f64)| Entry {
        name: name.into(),
        mu,
        score: None,
        dice: None,
    };
    Calibration {
        format: 1,
        model: "tiny".into(),
        model_version: version,
        data: "made up".into(),
        created: today(),
        seed: None,
        coverage: 0.5,
        entries: [("a", 0.4), ("b", 0.6)].into_iter().map(entry).collect(),
        score: None,
    }
}

fn scores() -> UnitScores {
    UnitScores::new(&[("a".into(), vec![0.3, 0.5]), ("b".into(), vec![0.5, 0.7])]).unwrap()
}

/// A repository with `tiny@1`, calibrated, in a folder that goes away.
fn repository() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny/1");
    write_model(&folder, &manifest(1), &weights(), true).unwrap();
    write_calibration(&folder, &calibration(1), Some(&scores())).unwrap();
    (dir, folder)
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in\n{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Exit code, stdout and stderr of `sagate --models DIR model ...`.
fn sagate(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
    command
        .current_dir(dir)
        .arg("--models")
        .arg(dir)
        .arg("model")
        .args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_was_written_is_what_is_opened() {
    let (dir, folder) = repository();
    let model = Repository::open(dir.path())
        .unwrap()
        .resolve("tiny")
        .unwrap()
        .open()
        .unwrap();
    assert_eq!(*model.manifest(), manifest(1));
    assert_eq!(model.calibration().unwrap().unwrap(), calibration(1));
    assert_eq!(model.unit_scores().unwrap().unwrap(), scores());
    assert!(model.weights().is_ok());
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&folder)
        .output();
    assert!(sums.unwrap().status.success(), "sha256sum itself agrees");
    let before = model.hash().to_string();
    // New weights say nothing of the old calibration.
    let again = write_model(&folder, &manifest(1), &weights(), false).unwrap();
    assert!(again.calibration().unwrap().is_none() && again.unit_scores().unwrap().is_none());
    assert_ne!(again.hash(), before);
}

#[test]
fn the_highest_version_is_meant_unless_one_is_named() {
    let (dir, _) = repository();
    for version in [2, 10] {
        write_model(
            &dir.path().join(format!("tiny/{version}")),
            &manifest(version),
            &weights(),
            true,
        )
        .unwrap();
    }
    std::fs::create_dir_all(dir.path().join("tiny/newest")).unwrap();
    let repository = Repository::open(dir.path()).unwrap();
    assert_eq!(repository.resolve("tiny").unwrap().version, 10);
    assert_eq!(repository.resolve("tiny@2").unwrap().version, 2);
    let (models, strangers) = repository.list().unwrap();
    assert_eq!(models.iter().map(|it| it.version).collect::<Vec<_>>(), [1, 2, 10]);
    assert!(
        strangers[0]
            .to_string()
            .contains("tiny/newest: `newest` is no version"),
        "{}",
        strangers[0]
    );
    for (reference, says) in [
        ("tiny@3", "there is tiny@1, tiny@2, tiny@10"),
        ("huge", "there is no model `huge`"),
        ("tiny@newest", "its version `newest` is no whole number"),
        ("tiny@0", "no whole number"),
        ("tiny@01", "no whole number"),
        ("../tiny", "`../tiny` is no name"),
        ("..", "is no name"),
        ("/etc", "is no name"),
        ("", "is no name"),
    ] {
        let error = repository.resolve(reference).unwrap_err().to_string();
        assert!(error.contains(says), "{reference}: {error}");
    }
    let nowhere = Repository::open(&dir.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(
        nowhere.contains("nowhere") && nowhere.contains("--models"),
        "{nowhere}"
    );
}

#[test]
fn the_command_lists_shows_and_verifies() {
    let (dir, folder) = repository();
    let (code, list, _) = sagate(dir.path(), &["list"]);
    assert!(
        code == Some(0) && list.contains("tiny@1") && list.contains("on 2 images"),
        "{list}"
    );
    let (code, show, _) = sagate(dir.path(), &["show", "tiny"]);
    assert!(
        code == Some(0) && show.contains("17, 18") && show.contains("select_channels"),
        "{show}"
    );
    let (code, shown, _) = sagate(dir.path(), &["--json", "show", "tiny@1"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (code, &shown["manifest"]["mu"]["layers"]),
        (Some(0), &serde_json::json!([17, 18]))
    );
    assert_eq!(shown["calibration"]["threshold"], 0.6);
    let (code, verified, _) = sagate(dir.path(), &["verify"]);
    assert_eq!((code, verified.trim()), (Some(0), "tiny@1: fine"));
    // Without --model the default is meant, which is not here.
    let (code, _, error) = sagate(dir.path(), &["show"]);
    assert!(
        code == Some(1) && error.contains("no model `t1-brain`") && error.contains("tiny@1"),
        "{error}"
    );
    std::fs::remove_file(folder.join("weights.safetensors")).unwrap();
    let (code, list, _) = sagate(dir.path(), &["list"]);
    assert!(code == Some(0) && list.contains("cannot be used"), "{list}");
}

#[test]
fn every_defect_names_file_and_field() {
    type Corrupt = fn(&Path);
    let truncate: Corrupt = |folder| {
        let path = folder.join("weights.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let truncate_and_sum: Corrupt = |folder| {
        let path = folder.join("weights.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        refresh_checksums(folder).unwrap();
    };
    let cases: &[(&str, Corrupt, &[&str])] = &[
        (
            "truncated weights",
            truncate,
            &["weights.safetensors", "SHA-256", "cut short"],
        ),
        (
            "truncated weights, summed anew",
            truncate_and_sum,
            &["weights.safetensors", "not a whole safetensors file"],
        ),
        (
            "no weights",
            |it| std::fs::remove_file(it.join("weights.safetensors")).unwrap(),
            &["weights.safetensors: it is missing"],
        ),
        (
            "no manifest",
            |it| std::fs::remove_file(it.join("manifest.toml")).unwrap(),
            &["manifest.toml: it is missing"],
        ),
        (
            "no sums",
            |it| std::fs::remove_file(it.join("SHA256SUMS")).unwrap(),
            &["SHA256SUMS: it cannot be read"],
        ),
        (
            "wrong sum",
            |it| replace(&it.join("calibration.json"), "0.6", "0.1"),
            &["calibration.json: its SHA-256 is"],
        ),
        (
            "sums of another form",
            |it| std::fs::write(it.join("SHA256SUMS"), "abc manifest").unwrap(),
            &["SHA256SUMS", "line 1", "64 hexadecimal"],
        ),
        (
            "a sum that leads out of the folder",
            |it| {
                replace(
                    &it.join("SHA256SUMS"),
                    "weights.safetensors",
                    "../../weights.safetensors",
                )
            },
            &["SHA256SUMS", "own folder"],
        ),
        (
            "unlisted calibration",
            |it| {
                let sums = std::fs::read_to_string(it.join("SHA256SUMS")).unwrap();
                let kept: Vec<_> = sums
                    .lines()
                    .filter(|line| !line.ends_with("calibration.json"))
                    .collect();
                std::fs::write(it.join("SHA256SUMS"), kept.join("\n") + "\n").unwrap();
            },
            &["calibration.json", "does not list it"],
        ),
    ];
    for (what, corrupt, says) in cases {
        let (dir, folder) = repository();
        corrupt(&folder);
        let (code, found, error) = sagate(dir.path(), &["verify", "tiny"]);
        assert_eq!(code, Some(1), "{what}: {found}{error}");
        assert!(says.iter().all(|part| found.contains(part)), "{what}: {found}");
        // The weights' contents are read when they are needed, all else when the model is opened.
        assert_eq!(
            Model::open(&folder).is_err(),
            *what != "truncated weights, summed anew",
            "{what}"
        );
    }
}

#[test]
fn a_wrong_manifest_names_its_field() {
    for (from, to, says) in [
        (
            "    18,\n",
            "    19,\n",
            "field `mu.layers`: there is no layer 19: layers are numbered from 1 to 18",
        ),
        ("    17,\n", "    0,\n", "field `mu.layers`: there is no layer 0"),
        ("    17,\n", "    18,\n", "layer 18 is named twice"),
        ("licence = ", "license = ", "line 5: unknown field `license`"),
        ("version = 1", "version = \"one\"", "line 3: invalid type"),
        (
            "version = 1",
            "version = 2",
            "the manifest says tiny@2, but the folder is that of tiny@1",
        ),
        ("name = \"tiny\"", "name = \"../tiny\"", "field `name`"),
        (
            "base_width = 1",
            "base_width = 0",
            "field `architecture.base_width`: base_width is 0",
        ),
        (
            "in_channels = 1",
            "in_channels = 2",
            "field `architecture.in_channels`: it is 2",
        ),
        (
            "classes = 2",
            "classes = 3",
            "field `classes`: 2 are named, but architecture.classes is 3",
        ),
        ("name = \"right\"", "name = \"left\"", "field `classes[1].name`"),
        ("255.0", "-1.0", "field `input.range`"),
        ("op = \"z_score\"", "op = \"zscore\"", "unknown variant `zscore`"),
        ("date = \"2", "date = \"x", "field `provenance.date`"),
        (
            "kind = \"unet2d\"",
            "kind = \"unet4d\"",
            "unknown variant `unet4d`",
        ),
    ] {
        let (dir, folder) = repository();
        replace(&folder.join("manifest.toml"), from, to);
        refresh_checksums(&folder).unwrap();
        let (code, found, _) = sagate(dir.path(), &["verify", "tiny"]);
        assert_eq!(code, Some(1), "{from} -> {to}: {found}");
        assert!(
            found.contains(says) && found.contains("manifest.toml"),
            "{from} -> {to}: {found}"
        );
    }
    // A wrong manifest is not written either.
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = manifest(1);
    wrong.mu.layers = vec![23];
    let error = write_model(&dir.path().join("1"), &wrong, &weights(), true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no layer 23"), "{error}");
    assert!(!dir.path().join("1").exists());
}

#[test]
fn weights_of_another_architecture_are_told_tensor_by_tensor() {
    let (dir, folder) = repository();
    replace(&folder.join("manifest.toml"), "base_width = 1", "base_width = 2");
    refresh_checksums(&folder).unwrap();
    let (code, found, _) = sagate(dir.path(), &["verify", "tiny"]);
    assert_eq!(code, Some(1));
    assert!(
        found.contains("weights.safetensors") && found.contains("encoder1.conv1.weight"),
        "{found}"
    );
}

#[test]
fn calibrations_are_checked_against_their_model() {
    let (dir, folder) = repository();
    for file in ["calibration.json", "calibration.safetensors"] {
        std::fs::remove_file(folder.join(file)).unwrap();
    }
    refresh_checksums(&folder).unwrap();
    let (code, found, _) = sagate(dir.path(), &["verify", "tiny"]);
    assert_eq!(code, Some(0), "an absent calibration is a warning");
    assert!(
        found.contains("warning: ") && found.contains("calibration.json") && found.contains("NOT_CALIBRATED"),
        "{found}"
    );
    assert!(Model::open(&folder).unwrap().calibration().unwrap().is_none());

    write_calibration(&folder, &calibration(4), None).unwrap();
    let (code, found, _) = sagate(dir.path(), &["verify", "tiny"]);
    assert!(
        code == Some(1) && found.contains("it was made for tiny@4, but this is tiny@1"),
        "{found}"
    );

    let mut other = calibration(1);
    other.entries[0].name = "c".into();
    write_calibration(&folder, &other, Some(&scores())).unwrap();
    let (code, found, _) = sagate(dir.path(), &["verify", "tiny"]);
    assert!(
        code == Some(1) && found.contains("calibration.safetensors, field `names`"),
        "{found}"
    );

    // Writing a calibration vouches for no other file.
    std::fs::write(folder.join("weights.safetensors"), b"changed").unwrap();
    assert!(
        write_calibration(&folder, &calibration(1), None)
            .unwrap_err()
            .to_string()
            .contains("weights.safetensors")
    );
}

#[test]
fn an_image_is_in_range_or_not() {
    let input = manifest(1).input;
    let image = |height: usize, width: usize, value: f32| {
        Image::new(ndarray::Array3::from_elem((2, height, width), value), [1.0, 1.0])
    };
    assert!(input.in_range(&image(16, 32, 255.0)));
    for out in [
        image(15, 32, 1.0),
        image(16, 33, 1.0),
        image(16, 16, 255.5),
        image(16, 16, -0.5),
        image(16, 16, f32::NAN),
    ] {
        assert!(!input.in_range(&out));
    }
}
