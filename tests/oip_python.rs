//! Real clients of the Open Inference Protocol against the real server: NVIDIA Triton's and KServe's, in Python, over gRPC and HTTP.
//!
//! What would break: a field under another number, an answer that a client cannot read, or a mask or score that differs by a bit from the
//! one that `sagate.v1` gives.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use binary::{Ended, Place, finish, floats, waves_image};
use sagate::proto::v1;
use sagate_core::imaging::mask;
use serde_json::{Value, json};
use server::{ADMINS, Server, request, serve, tensor};

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a script with the clients' Python.
fn run(script: &str, arguments: &[&str]) -> Ended {
    let python = here("target/oip-clients/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `.ci/oip-clients` makes it, as `make test` does",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(here("tests/support/oip_clients").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish(&mut command)
}

/// Asks `sagate.v1` of some images, and writes them down with its answers.
async fn expected(place: &Place, server: &Server) {
    let mut client = server.client();
    let mut said = Vec::new();
    for seed in 0..3 {
        let name = format!("image-{seed}");
        let png = place.picture(&format!("{name}.png"), seed, 40, 52);
        let picture = std::fs::read(place.path(&png)).unwrap();
        // What the PNG holds: whole numbers.
        let mut image = waves_image(seed, 40, 52);
        image.pixels.mapv_inplace(f32::round);
        let answer = client.segment(request("", tensor(&image))).await.unwrap();
        let answer = answer.into_inner().segmentation.unwrap();
        let of_file = client.segment(request("", server::file(picture))).await.unwrap();
        assert_eq!(
            of_file.into_inner().segmentation.unwrap().mu,
            answer.mu,
            "PNG and pixels are one image"
        );
        said.push(written(
            place,
            &name,
            &png,
            &floats(image.pixels.iter().copied()),
            &answer,
        ));
    }
    place.write("expected.json", Value::from(said).to_string().as_bytes());
}

fn written(place: &Place, name: &str, png: &str, pixels: &[u8], answer: &v1::Segmentation) -> Value {
    let planes = &answer.mask.as_ref().unwrap().data;
    let mut labels = vec![0u8; 40 * 52];
    for (class, bits) in (1..).zip(planes) {
        let plane = mask::unpack(bits, [40, 52]).unwrap();
        labels
            .iter_mut()
            .zip(&plane)
            .for_each(|(label, &bit)| *label += bit * class);
    }
    let decision = answer.decision().as_str_name().trim_start_matches("DECISION_");
    let reasons = answer
        .reasons()
        .map(|it| it.as_str_name().trim_start_matches("REASON_"));
    json!({
        "shape": [40, 52], "pixels": place.write(&format!("{name}.f32"), pixels), "png": png,
        "mask": place.write(&format!("{name}.mask"), &labels), "mu": hex(answer.mu), "threshold": hex(answer.threshold.unwrap()),
        "decision": decision, "reason": reasons.collect::<Vec<_>>().join(","),
    })
}

/// A number as Python's `float.fromhex` reads it, to the last bit.
fn hex(value: f64) -> String {
    let bits = value.to_bits();
    assert!(value.is_normal() && value > 0.0);
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    format!("0x1.{:013x}p{exponent}", bits & ((1 << 52) - 1))
}

/// A script that must say exactly these lines.
fn says(script: &str, arguments: &[&str], lines: &[&str]) {
    let ended = run(script, arguments);
    assert_eq!(ended.code, 0, "{ended:?}");
    let said: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(said, lines, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_triton_and_kserve() {
    let place = Place::new(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
    let server = serve(&place, &[ADMINS], &["--http", "127.0.0.1:0"]);
    expected(&place, &server).await;
    let grpc = server.url().trim_start_matches("http://").to_owned();
    let http = server.http().trim_start_matches("http://").to_owned();
    let folder = place.path("").display().to_string();
    let arguments = [&*grpc, &*http, &*folder];
    says(
        "triton.py",
        &arguments,
        &[
            "same: gRPC: pixels, files, packed",
            "same: gRPC: a batch, every output",
            "same: gRPC: the gate as asked",
            "same: gRPC: server and models",
            "same: gRPC, another model: refused with StatusCode.NOT_FOUND",
            "same: gRPC, another output: refused with StatusCode.INVALID_ARGUMENT",
            "same: gRPC, no picture: refused with StatusCode.INVALID_ARGUMENT",
            "same: gRPC, out of time: refused with StatusCode.DEADLINE_EXCEEDED",
            "same: gRPC, load: refused with StatusCode.UNIMPLEMENTED",
            "same: gRPC, shared memory: refused with StatusCode.UNIMPLEMENTED",
            "same: gRPC: callbacks",
            "same: gRPC: a stream, in order, on after an error",
            "same: gRPC: asyncio",
            "same: gRPC: asyncio, a stream",
            "same: HTTP: bytes, JSON and both, pixels and files",
            "same: HTTP: a batch, every output, as bytes and as JSON",
            "same: HTTP: the gate as asked, what JSON has no number for",
            "same: HTTP: server and models",
            "same: HTTP: in flight together",
            "same: HTTP, another model: refused with 404",
            "same: HTTP, another output: refused with 400",
            "same: HTTP, no picture: refused with 400",
            "same: HTTP, out of time: refused with 504",
            "same: HTTP, load: refused with 501",
            "same: HTTP, packed: refused with 415",
            "same: HTTP: asyncio",
        ],
    );
    says(
        "kserve_client.py",
        &arguments,
        &[
            "same: KServe, gRPC: bytes and fields",
            "same: KServe, gRPC: outputs by name",
            "same: KServe, gRPC: another model refused",
            "same: KServe, HTTP: JSON and bytes",
            "same: KServe, HTTP: another model refused",
        ],
    );
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "{stopped:?}");
}

#[test]
fn the_protocol_is_tritons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("descriptors.bin");
    std::fs::write(&file, v1::DESCRIPTORS).unwrap();
    let ended = run("protocol.py", &[file.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("12 methods and "), "{ended:?}");
}
