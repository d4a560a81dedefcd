//! The access log: one line per call over gRPC, gRPC-web and HTTP, with code, bytes and caller, and no text supplied by callers.
//!
//! What would break: a call without a line, a wrong code where a call is refused or cancelled, text of a caller in a line, a file that is
//! not reopened at SIGHUP.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use prost::Message;
use sagate::proto::v1;
use sagate::proto::v1::quality_control_client::QualityControlClient;
use serde_json::{Value, json};

use crate::binary::{Place, finish, waves_image};
use crate::grpc_calls::{until, within};
use crate::server::{Server, file, request, serve, serving, tensor};

const FILE: (&str, &str) = ("ACCESS_LOG__FILE", "access.jsonl");

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

/// Sends raw bytes over HTTP/1.1 and returns the response.
fn http(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_leaves_one_line() {
    let place = Place::new(1, &[0.0, 1.0]);
    let (made, _) = place.json(&["token", "viewer", "--role", "infer"]);
    place.write("tokens", made["line"].as_str().unwrap().as_bytes());
    let token = made["token"].as_str().unwrap();
    let origins = ("SERVER__CORS_ORIGINS", r#"["https://viewer.example"]"#);
    let settings = [FILE, ("AUTH__TOKENS", "tokens"), origins];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let mut client = server.client();
    let image = tensor(&waves_image(1, 32, 32));
    let sent = request("scan-7", image.clone()).encoded_len() as u64;
    let mut asked = tonic::Request::new(request("scan-7", image.clone()));
    let bearer = format!("Bearer {token}");
    asked
        .metadata_mut()
        .insert("authorization", bearer.parse().unwrap());
    let answer = within(client.segment(asked)).await.unwrap().into_inner();
    let received = answer.encoded_len() as u64;
    // Refused before and in a handler; an invalid id and an unknown method.
    let mut asked = tonic::Request::new(request("x", image.clone()));
    asked
        .metadata_mut()
        .insert("authorization", "Bearer Smith^John".parse().unwrap());
    within(client.segment(asked)).await.unwrap_err();
    within(client.segment(request("Smith^John", image.clone())))
        .await
        .unwrap_err();
    within(client.segment(request("broken", file(b"Smith^John".to_vec()))))
        .await
        .unwrap_err();
    let images = ["a", "b", "c"].map(|id| v1::SegmentStreamRequest {
        request: Some(request(id, image.clone())),
    });
    let mut answers = within(client.segment_stream(tokio_stream::iter(images)))
        .await
        .unwrap()
        .into_inner();
    while within(answers.message()).await.unwrap().is_some() {}
    place.run(&["health", "--server", &server.url()]);
    // A web page and a command-line tool.
    let message = [&[0u8; 5][..], &v1::GetStatusRequest {}.encode_to_vec()].concat();
    let head = |path: &str, content: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\norigin: https://viewer.example\r\nconnection: close\r\ncontent-type: {content}\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let web = head(
        "/sagate.v1.QualityControl/GetStatus",
        "application/grpc-web+proto",
        message.len(),
    );
    http(&server.url(), &[web.as_bytes(), &message].concat());
    let web = head("/Smith/John", "application/grpc-web+proto", 0);
    http(&server.url(), web.as_bytes());
    for path in ["/v2", "/v2/models/Smith%5EJohn", "/Smith/John"] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        http(&server.http(), get.as_bytes());
    }
    let pixels: Vec<u64> = (0..256).collect();
    let input = json!({ "name": "IMAGE", "datatype": "UINT8", "shape": [16, 16], "data": pixels });
    let body = json!({ "id": "scan-8", "inputs": [input] }).to_string();
    let infer = format!(
        "POST /v2/models/tiny/infer HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = String::from_utf8_lossy(&http(&server.http(), infer.as_bytes())).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.stop().code, 0);

    let text = std::fs::read_to_string(place.path("access.jsonl")).unwrap();
    for secret in [token, "Smith", "John"] {
        assert!(!text.contains(secret), "{text}");
    }
    let lines = lines(&place, "access.jsonl");
    let of = |line: &Value| {
        let word = |key: &str| match &line[key] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.rsplit('/').next().unwrap().to_owned(),
            other => other.to_string(),
        };
        [
            "protocol",
            "method",
            "code",
            "http_status",
            "client",
            "images",
            "request_id",
        ]
        .map(word)
        .join(" ")
    };
    let mut found: Vec<String> = lines.iter().map(of).collect();
    // An id of the server, since the id of the caller is invalid.
    for line in &mut found {
        if let Some((begin, id)) = line.rsplit_once(' ')
            && id.len() == 32
        {
            *line = format!("{begin} made-up");
        }
    }
    found.sort();
    let mut expected = vec![
        "grpc Segment OK 200 viewer 1 scan-7",
        "grpc Segment UNAUTHENTICATED 200 - 0 -",
        "grpc Segment INVALID_ARGUMENT 200 anonymous 1 -",
        "grpc Segment INVALID_ARGUMENT 200 anonymous 1 broken",
        "grpc SegmentStream OK 200 anonymous 3 -",
        "grpc Check OK 200 - 0 -",
        "grpc-web GetStatus OK 200 anonymous 0 -",
        "grpc-web unknown UNIMPLEMENTED 200 - 0 -",
        "http ServerMetadata OK 200 anonymous 0 -",
        "http ModelMetadata NOT_FOUND 404 anonymous 0 -",
        "http unknown NOT_FOUND 404 anonymous 0 -",
        "http ModelInfer OK 200 anonymous 1 scan-8",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected, "{text}");
    let line = lines.iter().find(|line| line["request_id"] == "scan-7").unwrap();
    // Messages in gRPC's frames of five bytes each.
    assert_eq!(line["bytes_in"], sent + 5, "{line}");
    assert_eq!(line["bytes_out"], received + 5, "{line}");
    assert!(line["seconds"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
}

/// A caller that disconnects, and one whose deadline passes.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_has_its_line() {
    let place = Place::new(1, &[0.0, 1.0]);
    let server = serve(&place, &[FILE], &[]);
    // The client has a runtime of its own, which ends with its connection: a stream that is dropped alone may seem to end in order.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let url = server.url();
    let gone = tokio::runtime::Runtime::new().unwrap();
    let begun = gone.spawn(async move {
        let mut client = QualityControlClient::connect(url).await.unwrap();
        let answers = client.segment_stream(stream).await.unwrap();
        (client, answers)
    });
    let held = within(begun).await.unwrap();
    gone.shutdown_background();
    until("the call is not seen as cancelled", async || {
        lines(&place, "access.jsonl").len() == 1
    })
    .await;
    drop((sender, held));
    let mut asked = tonic::Request::new(request("late", tensor(&waves_image(1, 900, 900))));
    asked.set_timeout(std::time::Duration::from_millis(1));
    within(server.client().segment(asked)).await.unwrap_err();
    assert_eq!(server.stop().code, 0);
    let lines = lines(&place, "access.jsonl");
    assert_eq!(
        (&lines[0]["method"], &lines[0]["code"]),
        (
            &"sagate.v1.QualityControl/SegmentStream".into(),
            &"CANCELLED".into()
        )
    );
    assert!(
        lines[1..]
            .iter()
            .all(|line| line["code"] != "OK" && line["method"] == "sagate.v1.QualityControl/Segment"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_begins_anew_at_sighup_and_is_counted() {
    let place = Place::new(1, &[0.0, 1.0]);
    let server = serve(&place, &[FILE], &[]);
    segment(&server, "one").await;
    until("the line is missing", async || {
        server.metric("sagate_access_log_lines_total{outcome=\"written\"}") >= 1.0
    })
    .await;
    std::fs::rename(place.path("access.jsonl"), place.path("moved.jsonl")).unwrap();
    server.signal("HUP");
    // Signals are asynchronous: send requests until a line is in the new file.
    until("the file is begun anew", async || {
        segment(&server, "two").await;
        place.path("access.jsonl").exists()
    })
    .await;
    assert_eq!(server.stop().code, 0);
    assert_eq!(lines(&place, "moved.jsonl")[0]["request_id"], "one");
    assert!(
        lines(&place, "access.jsonl")
            .iter()
            .all(|line| line["request_id"] == "two")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logfmt_and_without_clients() {
    let place = Place::new(1, &[0.0, 1.0]);
    let settings = [
        ("ACCESS_LOG__FILE", "access.log"),
        ("ACCESS_LOG__FORMAT", "logfmt"),
        ("ACCESS_LOG__CLIENTS", "false"),
    ];
    let server = serve(&place, &settings, &[]);
    segment(&server, "scan:7").await;
    assert_eq!(server.stop().code, 0);
    let text = std::fs::read_to_string(place.path("access.log")).unwrap();
    let pairs: BTreeMap<&str, &str> = text
        .trim_end()
        .split(' ')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    for (key, value) in [
        ("protocol", "grpc"),
        ("method", "sagate.v1.QualityControl/Segment"),
        ("code", "OK"),
        ("http_status", "200"),
        ("images", "1"),
        ("request_id", "scan:7"),
    ] {
        assert_eq!(pairs.get(key), Some(&value), "{text}");
    }
    for key in ["client", "peer", "proxy"] {
        assert!(!pairs.contains_key(key), "{text}");
    }
}

/// For containers: a destination that is not a regular file is never rotated.
#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_the_processs_own_output() {
    let place = Place::new(1, &[0.0, 1.0]);
    let settings = [
        ("ACCESS_LOG__FILE", "/dev/stdout"),
        ("ACCESS_LOG__MAX_BYTES", "1"),
    ];
    let server = serve(&place, &settings, &[]);
    for id in ["one", "two", "three"] {
        segment(&server, id).await;
    }
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    for id in ["one", "two", "three"] {
        let named = format!("\"request_id\":\"{id}\"");
        assert_eq!(stopped.printed.matches(&named).count(), 1, "{}", stopped.printed);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_at_the_start() {
    let place = Place::new(1, &[0.0, 1.0]);
    let mut command = serving(&place, &[]);
    command.env("SAGATE__ACCESS_LOG__FILE", "nowhere/access.jsonl");
    finish(&mut command).assert_refused(1, &["access_log.file", "nowhere/access.jsonl", "No such file"]);
}
