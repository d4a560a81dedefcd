//! The program on a GPU against the program on the CPU. If these fail, a model answers otherwise on one than on the other, or does
//! not run there at all. Ignored where nobody asks for them: `make gpu-check`.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::path::Path;
use std::process::Command;

use binary::{Place, waves_image};
use serde_json::Value;
use server::{request, serve, tensor};

/// Convolutions on a GPU round to TF32.
const MU_TOLERANCE: f64 = 0.01;

/// What the program prints on a device, as `--device` and what follows it.
fn sagate(device: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sagate"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--json", "--device"])
        .args(device.split(' '))
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
#[ignore = "needs a CUDA GPU: make gpu-check"]
fn both_bundled_models_answer_as_on_the_cpu() {
    for task in ["t1-brain", "t1-nuclei"] {
        let files = samples(task);
        let mut arguments = vec!["--model", task, "segment"];
        arguments.extend(files.iter().map(String::as_str));
        let of_device = |device: &str| -> Vec<Value> {
            let report: Value = serde_json::from_str(&sagate(device, &arguments)).unwrap();
            report["images"].as_array().unwrap().clone()
        };
        let cpu = of_device("cpu");
        assert_eq!(cpu.len(), files.len());
        for device in ["cuda", "cuda --precision half"] {
            let cuda = of_device(device);
            assert_eq!(cpu.len(), cuda.len());
            for (cpu, cuda) in cpu.iter().zip(&cuda) {
                assert_near(device, cpu, cuda);
            }
        }
    }
}

fn assert_near(device: &str, cpu: &Value, cuda: &Value) {
    for field in [
        "mu",
        "object_confidence",
        "soft_dice_confidence",
        "object_fraction",
    ] {
        let [here, there] = [cpu, cuda].map(|answer| answer[field].as_f64().unwrap());
        assert!(
            (here - there).abs() <= MU_TOLERANCE,
            "{}: {field} is {here} on the CPU, {there} with {device}",
            cpu["image"]
        );
    }
}

/// What would break: copies and computations of several threads that do not wait for what they stand on, which shows as other answers
/// when many images are in work at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a CUDA GPU: make gpu-check"]
async fn the_service_answers_many_at_once_as_one_by_one() {
    let place = Place::new(1, &[0.0, 1.0]);
    for precision in ["float32", "half"] {
        let settings = [
            ("DEVICE__KIND", "cuda"),
            ("DEVICE__PRECISION", precision),
            ("ENGINE__INSTANCES", "4"),
        ];
        let server = serve(&place, &settings, &[]);
        let asked = |seed: usize| request("", tensor(&waves_image(seed, 64 + 16 * (seed % 3), 80)));
        let mut alone = Vec::new();
        for seed in 0..24 {
            let answer = server.client().segment(asked(seed)).await.unwrap();
            alone.push(answer.into_inner().segmentation.unwrap().mu);
        }
        for _ in 0..4 {
            let mut work = tokio::task::JoinSet::new();
            for seed in 0..24 {
                let (mut client, asked) = (server.client(), asked(seed));
                work.spawn(async move { (seed, client.segment(asked).await.unwrap().into_inner()) });
            }
            while let Some(done) = work.join_next().await {
                let (seed, answer) = done.unwrap();
                let mu = answer.segmentation.unwrap().mu;
                let is_near = (mu - alone[seed]).abs() <= MU_TOLERANCE;
                assert!(
                    is_near,
                    "{precision}: image {seed} has mu {mu}, alone {}",
                    alone[seed]
                );
            }
        }
        assert_eq!(server.stop().code, 0);
    }
}

#[test]
#[ignore = "needs a CUDA GPU: make gpu-check"]
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
