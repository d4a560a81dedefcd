//! The audit log: one line per request with caller, method and model. The service continues if it cannot be written.
//!
//! What would break: a request without a line, a line with a secret or patient data, lines lost when the file is moved away
//! or grows large, a full disk that takes the service down.

use sagate::proto::v1;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{until, within};
use crate::server::{Server, file, request, serve, tensor};

/// The lines of a file; each must be an object.
fn lines(place: &Place, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn segment(server: &Server, id: &str) {
    let asked = request(id, tensor(&waves_image(1, 32, 32)));
    within(server.client().segment(asked)).await.unwrap();
}

/// Waits until this number of lines is written.
async fn written(server: &Server, count: f64) {
    until("lines are missing", async || {
        server.metric("sagate_audit_lines_total{outcome=\"written\"}") >= count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_line_with_what_is_known_of_it() {
    let place = Place::new(1, &[0.0, 1.0]);
    let (made, _) = place.json(&["token", "viewer", "--role", "infer"]);
    place.write("tokens", made["line"].as_str().unwrap().as_bytes());
    let token = made["token"].as_str().unwrap();
    let server = serve(
        &place,
        &[("AUDIT__FILE", "audit.jsonl"), ("AUTH__TOKENS", "tokens")],
        &[],
    );
    let mut client = server.client();
    let image = tensor(&waves_image(1, 32, 32));
    let Some(v1::image::Source::Tensor(sent)) = &image.source else {
        panic!("a tensor");
    };
    let hash: String = Sha256::digest(&sent.data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let by = |token: &str, asked: v1::SegmentRequest| {
        let mut asked = tonic::Request::new(asked);
        asked
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        asked
    };
    let decided = |accepted: f64| v1::SegmentRequest {
        options: Some(v1::SegmentationOptions {
            gate: Some(v1::segmentation_options::Gate::Threshold(accepted)),
            ..Default::default()
        }),
        ..request("scan-7", image.clone())
    };
    within(client.segment(by(token, decided(0.0)))).await.unwrap();
    within(client.segment(decided(1.0))).await.unwrap();
    within(client.segment(by("nonsense", decided(0.0))))
        .await
        .unwrap_err();
    // An unknown model and an invalid id are not logged.
    within(client.segment(request("", file(b"Smith^John".to_vec()))))
        .await
        .unwrap_err();
    within(client.segment(request("Smith^John", image.clone())))
        .await
        .unwrap_err();
    within(client.get_status(v1::GetStatusRequest {})).await.unwrap();
    let images = ["a", "b"].map(|id| v1::SegmentStreamRequest {
        request: Some(request(id, image.clone())),
    });
    let mut answers = within(client.segment_stream(tokio_stream::iter(images)))
        .await
        .unwrap()
        .into_inner();
    while within(answers.message()).await.unwrap().is_some() {}
    // Probes are not logged.
    place.run(&["health", "--server", &server.url()]);
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    let text = std::fs::read_to_string(place.path("audit.jsonl")).unwrap();
    for secret in [token, "nonsense", "Smith"] {
        assert!(!text.contains(secret), "{text}");
    }
    let fields = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        assert!(
            text("time").ends_with('Z') && text("peer").starts_with("127.0.0.1:"),
            "{line}"
        );
        let hash = if line["image_hash"] == hash {
            "hash"
        } else {
            line["image_hash"].as_str().map_or("-", |_| "other")
        };
        let method = text("method");
        let method = method.rsplit('/').next().unwrap().to_owned();
        [
            text("client"),
            text("auth_method"),
            method,
            text("model"),
            text("request_id"),
            hash.into(),
            text("code"),
            text("decision"),
        ]
        .join(" ")
    };
    let mut records: Vec<String> = lines(&place, "audit.jsonl").iter().map(fields).collect();
    records.sort();
    // Ids of the server.
    let records: Vec<String> = records
        .into_iter()
        .map(|line| {
            line.split(' ')
                .map(|word| if word.len() == 32 { "made-up" } else { word })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let mut expected = [
        "- none Segment - - - UNAUTHENTICATED -",
        "anonymous none GetStatus - - - OK -",
        "anonymous none Segment - - - INVALID_ARGUMENT -",
        "anonymous none Segment tiny@1 made-up other INVALID_ARGUMENT -",
        "anonymous none Segment tiny@1 scan-7 hash OK REJECT",
        "anonymous none SegmentStream tiny@1 a hash OK ACCEPT",
        "anonymous none SegmentStream tiny@1 b hash OK ACCEPT",
        "viewer token Segment tiny@1 scan-7 hash OK ACCEPT",
    ];
    expected.sort_unstable();
    assert_eq!(
        records
            .iter()
            .map(|line| line.replace("REJECT", "?").replace("ACCEPT", "?"))
            .collect::<Vec<_>>(),
        expected
            .iter()
            .map(|line| line.replace("REJECT", "?").replace("ACCEPT", "?"))
            .collect::<Vec<_>>()
    );
    let decision = |id: &str, client: &str| {
        records
            .iter()
            .find(|line| line.contains(id) && line.starts_with(client))
            .cloned()
            .unwrap()
    };
    assert!(decision("scan-7", "viewer").ends_with("ACCEPT"));
    assert!(decision("scan-7", "anonymous").ends_with("REJECT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_begins_anew_at_sighup_and_when_it_is_large() {
    let place = Place::new(1, &[0.0, 1.0]);
    let server = serve(&place, &[("AUDIT__FILE", "audit.jsonl")], &[]);
    segment(&server, "one").await;
    written(&server, 1.0).await;
    std::fs::rename(place.path("audit.jsonl"), place.path("moved.jsonl")).unwrap();
    segment(&server, "two").await;
    written(&server, 2.0).await;
    server.signal("HUP");
    // Signals are asynchronous: send requests until a line is in the new file.
    until("the file is begun anew", async || {
        segment(&server, "three").await;
        place.path("audit.jsonl").exists()
    })
    .await;
    assert_eq!(server.stop().code, 0);
    let ids = |name: &str| -> Vec<String> {
        lines(&place, name)
            .iter()
            .map(|line| line["request_id"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(ids("moved.jsonl")[..2], ["one", "two"]);
    assert!(ids("audit.jsonl").iter().all(|id| id == "three"));

    let settings = [
        ("AUDIT__FILE", "small/audit.jsonl"),
        ("AUDIT__MAX_BYTES", "1000"),
        ("AUDIT__KEEP", "2"),
    ];
    std::fs::create_dir(place.path("small")).unwrap();
    let server = serve(&place, &settings, &[]);
    for number in 0..20 {
        segment(&server, &format!("id-{number}")).await;
    }
    assert_eq!(server.stop().code, 0);
    assert_eq!(
        place.names("small"),
        ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    );
    let kept: Vec<Value> = ["small/audit.jsonl.2", "small/audit.jsonl.1", "small/audit.jsonl"]
        .iter()
        .flat_map(|name| {
            assert!(std::fs::metadata(place.path(name)).unwrap().len() <= 1000);
            lines(&place, name)
        })
        .collect();
    // The newest, in order and without a gap.
    let ids: Vec<String> = (20 - kept.len()..20)
        .map(|number| format!("id-{number}"))
        .collect();
    assert_eq!(
        kept.iter()
            .map(|line| line["request_id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ids
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let place = Place::new(1, &[0.0, 1.0]);
    let server = serve(&place, &[("AUDIT__FILE", "/dev/full")], &[]);
    for _ in 0..10 {
        segment(&server, "one").await;
    }
    until("the lost lines are counted", async || {
        server.metric("sagate_audit_lines_total{outcome=\"lost\"}") == 10.0
    })
    .await;
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    assert_eq!(
        stopped.log.matches("the audit log cannot be written").count(),
        1,
        "{}",
        stopped.log
    );
    assert!(stopped.log.contains("No space left"), "{}", stopped.log);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_the_start() {
    let place = Place::new(1, &[0.0, 1.0]);
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.env("SAGATE__AUDIT__FILE", "nowhere/audit.jsonl");
    crate::binary::finish(&mut command)
        .assert_refused(1, &["audit.file", "nowhere/audit.jsonl", "No such file"]);
}
