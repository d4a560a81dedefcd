//! `sagate bench link` at its smallest. If this fails, what docs/reference/protocols.md says of one stream cannot be measured.

use serde_json::Value;

#[test]
fn one_stream_against_connections() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sagate"))
        .args([
            "--json",
            "--threads",
            "1",
            "bench",
            "link",
            "--connections",
            "2",
            "--megabytes",
            "1",
        ])
        .args(["--round-trips", "0,4", "--seconds", "1", "--rounds", "3"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let links = report["links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    for link in links {
        for rate in [
            "stream_megabytes_per_second",
            "connections_megabytes_per_second",
            "stream_ratio",
        ] {
            assert!(link[rate].as_f64().unwrap() > 0.0, "{rate}: {link}");
        }
    }
    // Two connections with a call at a time bring at most two megabytes a round trip through the link.
    let delayed = links[1]["connections_megabytes_per_second"].as_f64().unwrap();
    assert!(
        delayed < 2.2 * 1.05 * 1000.0 / 4.0,
        "the link holds nothing back: {delayed} MB/s"
    );
}
