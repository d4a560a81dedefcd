//! The Open Inference Protocol over raw HTTP: malformed requests, and requests that must not hang.
//!
//! What would break: an invalid body that is accepted, an unclear status or message, a body that grows without
//! bounds, or work that is cut off when the server ends.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::binary::{Place, floats, waves_image};
use crate::server::{ADMINS, Server, serve};
use serde_json::{Value, json};

const INFER: &str = "/v2/models/tiny/infer";

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    stream
}

/// Sends bytes as they are, on a connection of their own.
fn send(server: &Server, request: &[u8]) -> Answer {
    let mut stream = connect(server);
    stream.write_all(request).unwrap();
    read(&mut stream)
}

/// Reads an answer up to its end.
fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut part = [0; 65536];
    loop {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").parse().unwrap();
            if bytes.len() >= end + 4 + length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Answer {
                    status,
                    head,
                    body: bytes[end + 4..].to_vec(),
                };
            }
        }
        let count = stream.read(&mut part).unwrap();
        assert!(
            count > 0,
            "the server hung up: {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&part[..count]);
    }
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn get(server: &Server, path: &str) -> Answer {
    send(
        server,
        format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes(),
    )
}

fn body(shape: &[usize], data: Value) -> Value {
    json!({ "inputs": [{ "name": "IMAGE", "shape": shape, "datatype": "UINT8", "data": data }] })
}

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

fn start(place: &Place) -> Server {
    serve(place, &[ADMINS], &["--http", "127.0.0.1:0"])
}

#[test]
fn off_unless_asked_for() {
    let place = place();
    let server = Server::start(&place, &[]);
    assert_eq!(server.announced["http"], Value::Null);
    assert_eq!(server.stop().code, 0);
}

#[test]
fn paths_and_statuses() {
    let place = place();
    let server = start(&place);
    for path in [
        "/v2",
        "/v2/",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/tiny",
        "/v2/models/tiny/ready",
        "/v2/models/tiny/config",
        "/v2/models/tiny/stats",
        "/v2/models/stats",
        "/v2/models/tiny/versions/1",
        "/v2/models/tiny/versions/1/ready",
        "/v2/models/tiny/versions/1/config",
        "/v2/models/tiny/versions/1/stats",
    ] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.head.contains("content-type: application/json"),
            "{path}: {}",
            answer.head
        );
        assert!(answer.json().is_object(), "{path}");
    }
    for (path, status, word) in [
        ("/", 404, "/v2"),
        ("/v3/health/live", 404, "/v2"),
        ("/v2/models/other", 404, "other"),
        ("/v2/models/tiny/versions/2", 404, "tiny@2"),
        ("/v2/models/tiny/versions/x", 400, "model_version"),
        ("/v2/models/other/ready", 404, "other"),
        (INFER, 405, "POST"),
        ("/v2/repository/index", 405, "POST"),
    ] {
        let answer = get(&server, path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.error().contains(word), "{path}: {}", answer.error());
    }
    let index = send(&server, &post("/v2/repository/index", "", b"{\"ready\": true}")).json();
    assert_eq!(
        index,
        json!([{ "name": "tiny", "version": "1", "state": "READY", "reason": "" }])
    );
    let load = send(&server, &post("/v2/repository/models/tiny/load", "", b""));
    assert_eq!(load.status, 501);
    assert_eq!(load.json()["reason"], "MODEL_ADMIN_DISABLED");
    assert_eq!(
        server.metric(r#"sagate_requests_total{code="UNIMPLEMENTED",method="RepositoryModelLoad"}"#),
        1.0
    );
    assert_eq!(server.stop().code, 0);
}

#[test]
fn wrong_bodies() {
    let place = place();
    let server = start(&place);
    let right = body(&[2, 2], json!([0, 50, 100, 255]));
    let answer = send(&server, &post(INFER, "", right.to_string().as_bytes()));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let nested = body(&[2, 2], json!([[0, 50], [100, 255]]));
    let nested = send(&server, &post(INFER, "", nested.to_string().as_bytes()));
    assert_eq!(
        nested.json(),
        answer.json(),
        "nested as the shape says is the same"
    );
    let deep = "[".repeat(100_000);
    let with_parameters = |parameters: Value| {
        let mut changed = right.clone();
        changed["parameters"] = parameters;
        changed.to_string()
    };
    let size = json!({ "inputs": [{ "name": "IMAGE", "shape": [2, 2], "datatype": "UINT8", "parameters": { "binary_data_size": 4 } }] }).to_string();
    let length = |length: &str| format!("inference-header-content-length: {length}\r\n");
    let wrong: Vec<(String, String, u16, &str)> = vec![
        (String::new(), String::new(), 400, "body"),
        ("no JSON".into(), String::new(), 400, "body"),
        ("{}".into(), String::new(), 400, "inputs"),
        (format!("{{\"inputs\": {deep}"), String::new(), 400, "body"),
        (
            format!(
                "{{\"inputs\": [{{\"name\": \"IMAGE\", \"shape\": [1], \"datatype\": \"UINT8\", \"data\": {deep}"
            ),
            String::new(),
            400,
            "EOF",
        ),
        (
            body(&[2, 2], json!([0, 1, 2])).to_string(),
            String::new(),
            400,
            "3 elements",
        ),
        (
            body(&[2, 2], json!([0, 1, 2, 256])).to_string(),
            String::new(),
            400,
            "element 3 is 256",
        ),
        (
            body(&[2, 2], json!([0, 1, 2, 0.5])).to_string(),
            String::new(),
            400,
            "0.5",
        ),
        (
            body(&[2, 2], json!(["0", "1", "2", "3"])).to_string(),
            String::new(),
            400,
            "text",
        ),
        (
            body(&[2, 2], json!([null])).to_string(),
            String::new(),
            400,
            "null",
        ),
        (
            with_parameters(json!({ "coverage": [1] })),
            String::new(),
            400,
            "parameters.coverage",
        ),
        (
            with_parameters(json!({ "binary_data_output": 1 })),
            String::new(),
            400,
            "binary_data_output",
        ),
        (size.clone(), String::new(), 400, "binary_data_size"),
        (
            format!("{size}12345"),
            length(&size.len().to_string()),
            400,
            "1 bytes longer",
        ),
        (
            format!("{size}123"),
            length(&size.len().to_string()),
            400,
            "3 bytes",
        ),
        (
            format!("{size}1234"),
            length("many"),
            400,
            "inference-header-content-length",
        ),
        (
            format!("{size}1234"),
            length("99999999999"),
            400,
            "inference-header-content-length",
        ),
        (
            right.to_string(),
            "content-encoding: gzip\r\n".into(),
            415,
            "content-encoding",
        ),
    ];
    for (sent, headers, status, word) in wrong {
        let answer = send(&server, &post(INFER, &headers, sent.as_bytes()));
        let short = &sent[..sent.len().min(200)];
        assert_eq!(
            answer.status,
            status,
            "{short}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(answer.error().contains(word), "{short}: {}", answer.error());
    }
    let binary = send(
        &server,
        &post(
            INFER,
            &length(&size.len().to_string()),
            &[size.as_bytes(), &[0, 50, 100, 255]].concat(),
        ),
    );
    assert_eq!(
        binary.json(),
        answer.json(),
        "four bytes after the JSON are the four numbers"
    );
    assert_eq!(server.stop().code, 0);
}

#[test]
fn a_body_is_bounded() {
    let place = place();
    let server = serve(
        &place,
        &[("SERVER__MAX_MESSAGE_BYTES", "4096")],
        &["--http", "127.0.0.1:0"],
    );
    let answer = send(&server, &post(INFER, "", &[b' '; 5000]));
    assert_eq!(answer.status, 413);
    assert!(
        answer.error().contains("server.max_message_bytes"),
        "{}",
        answer.error()
    );
    // A body without a length.
    let mut stream = connect(&server);
    let head = format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..8 {
        // The server may close the connection before the end.
        let _ = stream.write_all(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    assert_eq!(read(&mut stream).status, 413);
    assert_eq!(get(&server, "/v2/health/ready").status, 200);
    assert_eq!(server.stop().code, 0);
}

#[test]
fn one_connection_for_many_requests_and_none_of_the_silent_keep_the_server() {
    let place = place();
    let server = start(&place);
    let pixels: Vec<Value> = floats(waves_image(1, 8, 8).pixels.iter().copied())
        .into_iter()
        .map(Value::from)
        .collect();
    let request = post(
        INFER,
        "",
        body(&[16, 16], Value::from(pixels)).to_string().as_bytes(),
    );
    let mut stream = connect(&server);
    let mut answers = Vec::new();
    for _ in 0..3 {
        stream.write_all(&request).unwrap();
        let answer = read(&mut stream);
        assert_eq!(answer.status, 200);
        answers.push(answer.json()["outputs"].clone());
    }
    assert!(answers.iter().all(|it| *it == answers[0]));
    // A silent connection and one with an incomplete body end with the server.
    let silent = connect(&server);
    let mut half = connect(&server);
    half.write_all(&request[..request.len() - 10]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(
        server.metric(r#"sagate_requests_in_flight{method="ModelInfer"}"#),
        1.0
    );
    drop(half);
    while server.metric(r#"sagate_requests_in_flight{method="ModelInfer"}"#) > 0.0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stopped = server.stop();
    assert_eq!(
        (stopped.code, stopped.log.contains("panicked")),
        (0, false),
        "{stopped:?}"
    );
    drop(silent);
}

#[test]
fn what_was_taken_is_answered_at_the_end() {
    let place = place();
    let server = start(&place);
    let image = waves_image(1, 512, 512);
    let size = 4 * 512 * 512;
    let head = json!({
        "inputs": [{ "name": "IMAGE", "shape": [1, 512, 512], "datatype": "FP32", "parameters": { "binary_data_size": size } }],
        "outputs": [{ "name": "LAYER_SA" }],
    })
    .to_string();
    let headers = format!("inference-header-content-length: {}\r\n", head.len());
    let request = post(
        INFER,
        &headers,
        &[head.as_bytes(), &floats(image.pixels.iter().copied())].concat(),
    );
    let mut stream = connect(&server);
    stream.write_all(&request).unwrap();
    while server.metric(r#"sagate_queue_entries{model="tiny",version="1"}"#) == 0.0
        && server.metric(r#"sagate_images_total{model="tiny",outcome="accept",version="1"}"#)
            + server.metric(r#"sagate_images_total{model="tiny",outcome="reject",version="1"}"#)
            == 0.0
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.signal("TERM");
    let answer = read(&mut stream);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["outputs"][0]["shape"], json!([1, 18]));
    assert_eq!(server.ended().code, 0);
}

#[test]
fn members_that_may_be_left_out_may_be_null() {
    let place = place();
    let server = start(&place);
    let right = body(&[2, 2], json!([0, 50, 100, 255]));
    let expected = send(&server, &post(INFER, "", right.to_string().as_bytes())).json();
    for (pointer, member, value) in [
        ("", "id", Value::Null),
        ("", "parameters", Value::Null),
        ("", "outputs", Value::Null),
        ("", "parameters", json!({ "coverage": null })),
        ("/inputs/0", "parameters", Value::Null),
    ] {
        let mut asked = right.clone();
        asked.pointer_mut(pointer).unwrap()[member] = value;
        let answer = send(&server, &post(INFER, "", asked.to_string().as_bytes()));
        assert_eq!(answer.status, 200, "{asked}");
        assert_eq!(answer.json(), expected, "{asked}");
    }
    let mut asked = right;
    asked["outputs"] = json!([{ "name": "MU", "parameters": null }]);
    let answer = send(&server, &post(INFER, "", asked.to_string().as_bytes()));
    assert_eq!(answer.status, 200, "{asked}");
    // Required members must be present.
    asked["inputs"] = Value::Null;
    assert_eq!(
        send(&server, &post(INFER, "", asked.to_string().as_bytes())).status,
        400
    );
    assert_eq!(server.stop().code, 0);
}

#[test]
fn json_takes_little_more_memory_than_it_has_bytes() {
    const BYTES: usize = 24 << 20;
    let place = place();
    let peak = |server: &Server| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    };
    let zeros = "0,".repeat(BYTES / 2);
    let lists = "[],".repeat(BYTES / 3);
    let data = |shape: usize, datatype: &str| {
        format!(
            r#"{{"inputs": [{{"name": "IMAGE", "shape": [{shape}], "datatype": "{datatype}", "data": [{zeros}0]}}]}}"#
        )
    };
    let right = r#""inputs": [{"name": "IMAGE", "shape": [1], "datatype": "UINT8", "data": [0]}]"#;
    for (case, sent) in [
        ("more elements than the shape says", data(4, "FP32")),
        ("as many", data(BYTES / 2 + 1, "FP32")),
        ("the widest type", data(BYTES / 2 + 1, "FP64")),
        (
            "a parameter that is a list",
            format!(r#"{{"parameters": {{"a": [{lists}[]]}}, {right}}}"#),
        ),
        (
            "a long list of outputs",
            format!(r#"{{"outputs": [{lists}[]], {right}}}"#),
        ),
        (
            "a long shape",
            format!(r#"{{"inputs": [{{"shape": [{zeros}0], "name": "a", "datatype": "UINT8"}}]}}"#),
        ),
    ] {
        // Each on its own: what the one before left in the allocator is not counted.
        let server = start(&place);
        let before = peak(&server);
        let answer = send(&server, &post(INFER, "", sent.as_bytes()));
        assert_eq!(answer.status, 400, "{case}: {}", answer.error());
        let ratio = peak(&server).saturating_sub(before) as f64 / sent.len() as f64;
        println!("{case}: {ratio:.2} bytes of memory for a byte of JSON");
        assert!(ratio < 5.0, "{case}: {ratio:.2}");
        assert_eq!(server.stop().code, 0);
    }
}

#[test]
fn a_load_over_http_is_in_flight_while_it_lasts() {
    let place = place();
    let settings = [
        ADMINS,
        ("SERVER__MODEL_ADMIN", "true"),
        // It takes a while.
        ("ENGINE__WARM_UP_SIDES", "[512, 1024]"),
    ];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let address = server.http().trim_start_matches("http://").to_owned();
    let loading = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(&post("/v2/repository/models/tiny/load", "", b""))
            .unwrap();
        read(&mut stream).status
    });
    let in_flight = r#"sagate_requests_in_flight{method="RepositoryModelLoad"}"#;
    let mut seen = false;
    while !loading.is_finished() {
        seen |= server.metric(in_flight) > 0.0;
    }
    assert_eq!(loading.join().unwrap(), 200);
    assert!(seen, "a load that lasts is not in flight");
    assert_eq!(server.stop().code, 0);
}
