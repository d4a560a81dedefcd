//! `sagate train`: from a task's folder to a model that serves as it was trained, killed for good in between.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use sagate_core::executor::ModelExecutor;
use sagate_core::imaging::preprocess::{Step, prepare};
use sagate_core::model::Model;
use sagate_lab::data::{Split, Task};
use sagate_lab::train::Samples;
use tch::Device;

use crate::phantom::write_task;

/// Quick to train, and a state after every step.
const QUICK: &[&str] = &[
    "--base-width=2",
    "--batch-size=2",
    "--epochs=6",
    "--learning-rate=0.01",
    "--loss=online",
    "--set=checkpoint_every=1",
];

fn train(task: &Path, model: &Path, flags: &[&[&str]]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
    command.args(["train", "--threads", "1"]).args(flags.concat());
    command.arg("--task").arg(task).arg("--out").arg(model);
    command.current_dir(task.parent().unwrap()).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn succeed(command: Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(command: Command) -> String {
    let output = run(command);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// When the state was last saved.
fn saved(state: &Path) -> Option<SystemTime> {
    std::fs::metadata(state)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Kills the training (SIGKILL) once it has saved another state; false where it ended before.
fn kill_after_a_state(mut command: Command, state: &Path) -> bool {
    let before = saved(state);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if saved(state) != before {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_for_good_and_resumed_it_is_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let task = write_task(folder.path());
    let model = |name: &str| folder.path().join(name).join("1");
    succeed(train(&task, &model("whole"), &[QUICK]));
    let state = folder.path().join("killed/.train/1/state.safetensors");
    let mut kills = 0;
    while kills < 4 && kill_after_a_state(train(&task, &model("killed"), &[QUICK, &["--resume"]]), &state) {
        kills += 1;
        assert!(
            !model("killed").exists(),
            "no model before its training has ended"
        );
    }
    assert!(kills > 0);
    succeed(train(&task, &model("killed"), &[QUICK, &["--resume"]]));
    let weights = |name: &str| std::fs::read(model(name).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("killed"), "after {kills} kills");
}

#[test]
fn the_model_serves_as_it_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let task = write_task(folder.path());
    let place = folder.path().join("models/disc/3");
    let recipe = folder.path().join("train.toml");
    std::fs::write(
        &recipe,
        "epochs = 2\n[augmentation]\naffine = 0\n[model]\nlicence = \"CC0\"\nrange = [0.0, 65535.0]\n",
    )
    .unwrap();
    let flags = [
        "--base-width=4",
        "--batch-size=6",
        "--epochs=40",
        "--learning-rate=0.01",
        "--json",
    ];
    let command = train(&task, &place, &[&flags, &["--recipe", recipe.to_str().unwrap()]]);
    let outcome: serde_json::Value = serde_json::from_str(&succeed(command)).unwrap();
    assert_eq!(outcome["model"], "disc@3");
    let stated = outcome["validation_dice"].as_f64().unwrap();

    let model = Model::open(&place).unwrap();
    let manifest = model.manifest();
    assert_eq!(
        (manifest.licence.as_str(), manifest.input.range),
        ("CC0", Some([0.0, 65535.0]))
    );
    assert_eq!(manifest.provenance.validation_dice, Some(stated));
    assert!(
        manifest
            .provenance
            .command
            .starts_with("sagate train --threads 1")
    );

    let task = Task::open(&task).unwrap();
    let pass = ModelExecutor::load(&model, Device::Cpu).unwrap();
    let validation = task.split(Split::Validation).unwrap();
    let dice: Vec<f64> = validation
        .iter()
        .map(|example| {
            let ready = pass.prepare(&example.image).unwrap();
            pass.segment(&[&ready]).unwrap()[0].dice(example.truth.as_ref().unwrap())
        })
        .collect();
    let served = dice.iter().sum::<f64>() / dice.len() as f64;
    // Kernels in half precision and folded batch norm may move single pixels.
    assert!(
        (served - stated).abs() < 0.02,
        "trained {stated}, served {served}"
    );
    assert!(stated > 0.6, "{stated}");
}

#[test]
fn training_prepares_images_as_serving_does_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let task = Task::open(&write_task(folder.path())).unwrap();
    let steps = [
        Step::ClipPercentiles { low: 2.0, high: 98.0 },
        Step::Resample { spacing: [1.3, 0.9] },
        Step::ZScore,
        Step::PadTo { size: [48, 48] },
    ];
    let samples = Samples::read(&task, &steps).unwrap();
    for (split, samples) in [
        (Split::Train, &samples.train),
        (Split::Validation, &samples.validation),
    ] {
        let examples = task.split(split).unwrap();
        assert_eq!(samples.len(), examples.len());
        for (sample, example) in samples.iter().zip(&examples) {
            let served = prepare(example.image.clone(), &steps).unwrap();
            let bits = |pixels: &ndarray::Array3<f32>| pixels.mapv(f32::to_bits);
            assert_eq!(bits(&sample.pixels), bits(&served.pixels), "{}", example.name);
            assert_eq!(sample.valid, served.valid);
            assert_eq!(
                sample.labels,
                served.prepare_labels(example.truth.as_ref().unwrap()).unwrap()
            );
        }
    }
}

#[test]
fn what_cannot_be_trained_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let task = write_task(folder.path());
    let place = folder.path().join("models/disc/1");
    let with = |out: PathBuf, more: &[&str]| refuse(train(&task, &out, &[QUICK, more]));

    let message = with(folder.path().join("models/disc/newest"), &[]);
    assert!(message.contains("must end in NAME/VERSION"), "{message}");
    let message = with(place.clone(), &["--set", "epoch=3"]);
    assert!(message.contains("unknown field `epoch`"), "{message}");
    let message = with(place.clone(), &["--set", "nonsense"]);
    assert!(
        message.contains("--set") && message.contains("key=value"),
        "{message}"
    );
    let message = refuse(train(&folder.path().join("nothing"), &place, &[QUICK]));
    assert!(message.contains("nothing"), "{message}");

    succeed(train(&task, &place, &[QUICK]));
    let message = with(place.clone(), &[]);
    assert!(
        message.contains("is there already") && message.contains("--restart"),
        "{message}"
    );
    let message = with(place.clone(), &["--resume", "--seed", "9"]);
    assert!(message.contains("seed was 1 and is 9 now"), "{message}");
    std::fs::write(task.join("train/masks/phantom-000.png"), b"no picture").unwrap();
    let message = with(place, &["--restart"]);
    assert!(message.contains("phantom-000.png"), "{message}");
}
