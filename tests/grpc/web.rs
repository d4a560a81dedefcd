//! gRPC-web, as a browser speaks it: HTTP/1.1, the trailers in the body, and origins.
//!
//! What would break: an allowed page gets another answer than a gRPC client, a refused page causes model work, or HTTP/1.1 is
//! accepted without configured origins.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use sagate::proto::v1;

use crate::binary::{Place, waves_image};
use crate::server::{Server, request, serve, tensor};

const ORIGIN: &str = "https://viewer.example";
const SEGMENT: &str = "/sagate.v1.QualityControl/Segment";

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

fn start(place: &Place) -> Server {
    let origins = format!("http://127.0.0.1:3000, {ORIGIN}");
    serve(place, &[("SERVER__CORS_ORIGINS", &origins)], &[])
}

/// Sends a request on a connection of its own: head in small letters, body.
fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("an HTTP answer");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let body = answer[end + 4..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") {
        unchunked(&body)
    } else {
        body
    };
    (head, body)
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|it| it == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat()
}

/// The messages of a body, and its trailers.
fn frames(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut messages = Vec::new();
    loop {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let frame = body[5..5 + length].to_vec();
        let is_last = body[0] & 0x80 != 0;
        body = &body[5 + length..];
        if is_last {
            assert!(body.is_empty(), "nothing follows the trailers");
            return (messages, String::from_utf8(frame).unwrap());
        }
        messages.push(frame);
    }
}

fn asked() -> v1::SegmentRequest {
    request("page", tensor(&waves_image(3, 40, 52)))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn expected(server: &Server) -> v1::SegmentResponse {
    let answer = server.client().segment(asked()).await.unwrap().into_inner();
    without_time(answer)
}

fn without_time(mut answer: v1::SegmentResponse) -> v1::SegmentResponse {
    answer.segmentation.as_mut().unwrap().timing = None;
    answer
}

#[tokio::test]
async fn an_allowed_page_gets_the_answer_of_a_grpc_client() {
    let place = place();
    let server = start(&place);
    let expected = expected(&server).await;
    let headers = [
        ("content-type", "application/grpc-web+proto"),
        ("x-grpc-web", "1"),
        ("origin", ORIGIN),
    ];
    let (head, body) = send(&server, "POST", SEGMENT, &headers, &framed(&asked()));
    assert_eq!(status(&head), 200, "{head}");
    assert!(
        head.contains(&format!("access-control-allow-origin: {ORIGIN}")),
        "{head}"
    );
    assert!(
        head.contains("access-control-expose-headers: grpc-status"),
        "{head}"
    );
    let (messages, trailers) = frames(&body);
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    assert_eq!(messages.len(), 1);
    assert_eq!(
        without_time(v1::SegmentResponse::decode(&*messages[0]).unwrap()),
        expected
    );

    // In text mode, for old browsers.
    let headers = [
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
        ("origin", ORIGIN),
    ];
    let (head, body) = send(
        &server,
        "POST",
        SEGMENT,
        &headers,
        STANDARD.encode(framed(&asked())).as_bytes(),
    );
    assert_eq!(status(&head), 200, "{head}");
    let text = String::from_utf8(body).unwrap();
    // Each part is encoded by itself, so padding may stand in the middle.
    let parts = text
        .split_inclusive('=')
        .fold(Vec::<String>::new(), |mut parts, part| {
            match parts.last_mut() {
                Some(last) if part == "=" || !last.ends_with('=') => last.push_str(part),
                _ => parts.push(part.into()),
            }
            parts
        });
    let body: Vec<u8> = parts
        .iter()
        .flat_map(|part| STANDARD.decode(part).unwrap())
        .collect();
    assert_eq!(
        without_time(v1::SegmentResponse::decode(&*frames(&body).0[0]).unwrap()),
        expected
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn a_stream_of_parts_and_errors_in_words() {
    let place = place();
    let server = start(&place);
    let headers = [("content-type", "application/grpc-web+proto"), ("origin", ORIGIN)];
    let interpret = v1::InterpretRequest {
        image: asked().image,
        ..Default::default()
    };
    let (head, body) = send(
        &server,
        "POST",
        "/sagate.v1.QualityControl/Interpret",
        &headers,
        &framed(&interpret),
    );
    assert_eq!(status(&head), 200, "{head}");
    let (messages, trailers) = frames(&body);
    assert_eq!(messages.len(), 1 + 18 + 1, "segmentation, layers, summary");
    assert!(trailers.contains("grpc-status:0"), "{trailers}");

    let (head, body) = send(
        &server,
        "POST",
        SEGMENT,
        &headers,
        &framed(&v1::SegmentRequest::default()),
    );
    assert_eq!(status(&head), 200, "{head}");
    let response = head + &String::from_utf8_lossy(&body);
    assert!(
        response.contains("grpc-status: 3") || response.contains("grpc-status:3"),
        "{response}"
    );
    assert!(response.contains("image"), "{response}");

    let in_time = [headers[0], headers[1], ("grpc-timeout", "1u")];
    let (head, body) = send(&server, "POST", SEGMENT, &in_time, &framed(&asked()));
    let response = head + &String::from_utf8_lossy(&body);
    assert!(
        response.contains("grpc-status: 4") || response.contains("grpc-status:4"),
        "{response}"
    );
    assert_eq!(server.stop().code, 0);
}

#[test]
fn other_pages_are_refused_before_any_work() {
    let place = place();
    let server = start(&place);
    for origin in [
        "https://evil.example",
        "http://viewer.example",
        "https://viewer.example:444",
        "null",
    ] {
        for kind in ["application/grpc-web+proto", "application/grpc", "text/plain"] {
            for path in [SEGMENT, "/inference.GRPCInferenceService/ServerLive"] {
                let headers = [("content-type", kind), ("origin", origin)];
                let (head, body) = send(&server, "POST", path, &headers, &framed(&asked()));
                assert_eq!(status(&head), 403, "{origin} {kind} {path}: {head}");
                assert!(!head.contains("access-control-allow-origin"), "{head}");
                assert!(String::from_utf8_lossy(&body).contains("server.cors_origins"));
            }
        }
    }
    assert_eq!(
        server.metric(r#"sagate_images_total{model="tiny",outcome="accept",version="1"}"#),
        0.0
    );
    assert_eq!(
        server.metric(r#"sagate_requests_total{code="OK",method="Segment"}"#),
        0.0
    );
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type,x-grpc-web,grpc-timeout",
            ),
        ];
        send(&server, "OPTIONS", SEGMENT, &headers, b"").0
    };
    let allowed = preflight(ORIGIN);
    assert_eq!(status(&allowed), 200, "{allowed}");
    assert!(
        allowed.contains(&format!("access-control-allow-origin: {ORIGIN}")),
        "{allowed}"
    );
    assert!(
        allowed.contains("x-grpc-web") && allowed.contains("access-control-allow-methods: post"),
        "{allowed}"
    );
    assert!(!preflight("https://evil.example").contains("access-control-allow-origin"));
    assert_eq!(server.stop().code, 0);
}

#[test]
fn off_unless_an_origin_is_named() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let head = format!(
        "POST {SEGMENT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // What comes is HTTP/2's farewell, or nothing.
    let _ = stream.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"HTTP/1"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(server.stop().code, 0);
}
