//! The program on a GPU against the program on the CPU. If these fail, a model answers otherwise on one than on the other, or does
//! not run there at all. Ignored where nobody asks for them: `make gpu-test`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Convolutions on a GPU round to TF32.
const MU_TOLERANCE: f64 = 0.01;

fn sagate(device: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sagate"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--json", "--device", device])
        .args(arguments)
        .output()
        .unwrap();
    // 3 says that an image was rejected.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{arguments:?} on {device}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn samples(task: &str) -> Vec<String> {
    let folder = format!("samples/{task}/images");
    let mut files: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    files.sort();
    files
}

#[test]
#[ignore = "needs a CUDA GPU: make gpu-test"]
fn both_bundled_models_answer_as_on_the_cpu() {
    for task in ["t1-brain", "t1-nuclei"] {
        let files = samples(task);
        let mut arguments = vec!["--model", task, "segment"];
        arguments.extend(files.iter().map(String::as_str));
        let [cpu, cuda] = ["cpu", "cuda"].map(|device| -> Vec<Value> {
            let report: Value = serde_json::from_str(&sagate(device, &arguments)).unwrap();
            report["images"].as_array().unwrap().clone()
        });
        assert_eq!(cpu.len(), files.len());
        assert_eq!(cpu.len(), cuda.len());
        for (cpu, cuda) in cpu.iter().zip(&cuda) {
            for field in [
                "mu",
                "object_confidence",
                "soft_dice_confidence",
                "object_fraction",
            ] {
                let [here, there] = [cpu, cuda].map(|answer| answer[field].as_f64().unwrap());
                assert!(
                    (here - there).abs() <= MU_TOLERANCE,
                    "{}: {field} is {here} on the CPU, {there} on the GPU",
                    cpu["image"]
                );
            }
        }
    }
}

#[test]
#[ignore = "needs a CUDA GPU: make gpu-test"]
fn interpretations_training_and_a_study_run_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    sagate(
        "cuda",
        &[
            "interpret",
            &samples("t1-brain")[0],
            "--out",
            &path("interpretation"),
        ],
    );
    let sizes = [
        "--side",
        "64",
        "--train",
        "40",
        "--validation",
        "10",
        "--test",
        "4",
    ];
    sagate(
        "cpu",
        &[
            &["data", "phantom", "--family", "isic-like", "--out", &path("data")],
            &sizes[..],
        ]
        .concat(),
    );
    for loss in ["offline", "online"] {
        let dice = ["cpu", "cuda"].map(|device| {
            let work = path(&format!("work-{loss}-{device}"));
            let arguments = [
                "train",
                "--task",
                &path("data/isic-like"),
                "--out",
                &path(&format!("models-{device}/{loss}/1")),
                "--work",
                &work,
                "--loss",
                loss,
                "--epochs",
                "6",
                "--base-width",
                "4",
                "--learning-rate",
                "0.003",
            ];
            sagate(device, &arguments);
            let history = std::fs::read_to_string(Path::new(&work).join("history.csv")).unwrap();
            let mut lines = history.lines();
            let column = lines
                .next()
                .unwrap()
                .split(',')
                .position(|name| name == "validation_dice")
                .unwrap();
            let of_line = |line: &str| line.split(',').nth(column).unwrap().parse::<f64>().unwrap();
            lines.map(of_line).fold(0.0, f64::max)
        });
        assert!(
            (dice[0] - dice[1]).abs() < 0.1 && dice[1] > 0.5,
            "{loss}: Dice on the CPU and on the GPU {dice:?}"
        );
    }
    let out = path("study");
    let sizes = [
        "side=32",
        "images=[10, 8, 6]",
        "base_width=2",
        "epochs=2",
        "members=2",
        "snapshots=2",
        "dropout_passes=2",
        "widest=8",
        "noise=[0.5]",
        "draws=40",
    ];
    let mut arguments = vec!["study", "--profile", "quick", "--out", &out];
    sizes.iter().for_each(|size| arguments.extend(["--set", size]));
    sagate("cuda", &arguments);
    assert!(folder.path().join("study/report.html").is_file());
}
