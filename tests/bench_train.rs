//! `sagate bench train` at the smallest size. If this fails, what README says of the speed of training cannot be measured.

use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_sagate"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--json", "--threads", "2", "bench", "train"])
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn every_ratio_is_a_number_above_zero() {
    let output = bench(&["--base", "2", "--size", "32", "--batch", "2", "--rounds", "3"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for field in [
        "vs_pytorch",
        "online_ratio",
        "vs_published_online",
        "memory_ratio",
        "offline_ms",
    ] {
        let value = report[field].as_f64();
        assert!(
            value.is_some_and(|value| value > 0.0),
            "{field} is {}",
            report[field]
        );
    }
    assert_eq!(
        report["threads"], report["baseline"]["threads"],
        "the baseline has as many threads"
    );
}

#[test]
fn without_a_baseline_it_says_how_to_install_it() {
    let output = bench(&["--python", "no/such/python"]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("make peers") && message.contains("no/such/python"),
        "{message}"
    );
    let sizes = [
        "--base",
        "2",
        "--size",
        "32",
        "--batch",
        "1",
        "--rounds",
        "3",
        "--no-baseline",
    ];
    let output = bench(&sizes);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.get("vs_pytorch").is_none() && report["online_ratio"].as_f64().is_some());
}
