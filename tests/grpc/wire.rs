//! Malformed traffic: garbage, truncated messages, decompression bombs, other protocols, clients that disconnect.
//!
//! What would break: malformed traffic crashes the server, hangs it, leaks memory, gets a wrong error, or affects other
//! clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::body::Body as Plain;
use http_body_util::BodyExt;
use prost::Message;
use sagate::proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tower::ServiceExt;

use crate::binary::{Place, gzip, waves_image};
use crate::grpc_calls::{Client, ExpectedImage, error_info, wait_until_idle, within};
use crate::server::{Server, request, serve, tensor};

const LIMIT: usize = 65536;

/// A message as gRPC frames it, with any flag and any length in front.
fn frame(flag: u8, length: usize, bytes: &[u8]) -> Vec<u8> {
    let mut framed = vec![flag];
    framed.extend((length as u32).to_be_bytes());
    framed.extend(bytes);
    framed
}

/// Sends bytes as a call's body; the status that comes back, in headers or trailers.
async fn send(server: &Server, method: &str, encoding: Option<&str>, bytes: Vec<u8>) -> Status {
    let mut asked = http::Request::post(format!("/sagate.v1.QualityControl/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        asked = asked.header("grpc-encoding", encoding);
    }
    let asked = asked.body(Body::new(Plain::from(bytes))).unwrap();
    let answer = within(server.channel().oneshot(asked)).await.unwrap();
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let (head, body) = answer.into_parts();
    let body = within(body.collect()).await.unwrap();
    let trailers = body.trailers().unwrap_or_else(|| panic!("no trailers: {head:?}"));
    Status::from_header_map(trailers).unwrap()
}

fn limited(place: &Place) -> Server {
    serve(
        place,
        &[("SERVER__MAX_MESSAGE_BYTES", &LIMIT.to_string())],
        &["--log", "warn"],
    )
}

#[track_caller]
fn assert_told(status: &Status, expected: (Code, &str), words: &str, case: &str) {
    let (code, reason, field) = error_info(status);
    assert_eq!(
        (code, &*reason, &*field),
        (expected.0, expected.1, ""),
        "{case}: {status:?}"
    );
    assert!(status.message().contains(words), "{case}: {status:?}");
}

#[tokio::test]
async fn messages_that_are_none() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = limited(&place);
    good.ask(&mut server.client()).await;
    let whole = good.request("id").encode_to_vec();
    let zeros = vec![0; 4 * LIMIT];
    let bomb = gzip(&vec![0; 100 * LIMIT]);
    assert!(bomb.len() < LIMIT / 4);
    let malformed = (Code::InvalidArgument, "MALFORMED_MESSAGE");
    let large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let limit = format!("{LIMIT} bytes (setting server.max_message_bytes)");
    let whole_length = whole.len();
    #[rustfmt::skip]
    let cases: [(&str, Option<&str>, Vec<u8>, _, &str); 12] = [
        ("garbage", None, frame(0, 5, b"\xff\xff\xff\xff\xff"), malformed, "does not follow the protocol"),
        ("another's message", None, frame(0, 4, b"\x0a\x02\xff\xfe"), malformed, "does not follow the protocol"),
        ("half a message", None, frame(0, whole_length, &whole[..whole_length / 2]), malformed, "cut short"),
        ("half a length", None, vec![0, 0, 0], malformed, "cut short"),
        ("cut inside", None, frame(0, whole_length / 2, &whole[..whole_length / 2]), malformed, "does not follow the protocol"),
        ("no such flag", None, frame(9, 1, b"x"), malformed, "flag"),
        ("packed, but not said how", None, frame(1, 1, b"x"), malformed, "grpc-encoding"),
        ("garbage as gzip", Some("gzip"), frame(1, 5, b"\xff\xff\xff\xff\xff"), malformed, "cannot be unpacked"),
        ("garbage as zstd", Some("zstd"), frame(1, 5, b"\xff\xff\xff\xff\xff"), malformed, "cannot be unpacked"),
        ("too long", None, frame(0, zeros.len(), &zeros), large, &limit),
        ("said to be 4 GB", None, frame(0, u32::MAX as usize, b"x"), large, &limit),
        ("a gzip bomb", Some("gzip"), frame(1, bomb.len(), &bomb), large, &limit),
    ];
    for (case, encoding, bytes, expected, words) in cases {
        for method in ["Segment", "Interpret", "SegmentStream"] {
            let status = send(&server, method, encoding, bytes.clone()).await;
            assert_told(&status, expected, words, &format!("{method}, {case}"));
        }
    }
    for method in ["Segment", "Interpret"] {
        let status = send(&server, method, None, Vec::new()).await;
        assert_told(&status, malformed, "", "nothing at all");
    }
    let status = send(&server, "Segment", Some("brotli"), frame(1, 1, b"x")).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    let status = send(&server, "Diagnose", None, frame(0, 0, b"")).await;
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    // A bomb as a client would send it by mistake.
    let black = request("black", tensor(&waves_image(0, 400, 400)));
    let zstd = server.client().send_compressed(CompressionEncoding::Zstd);
    let mut flat = black.clone();
    if let Some(v1::image::Source::Tensor(it)) = &mut flat.image.as_mut().unwrap().source {
        it.data = vec![0; 640_000].into();
    }
    for (mut client, asked) in [(zstd, flat), (server.client(), black)] {
        let status = within(client.segment(asked)).await.unwrap_err();
        assert_told(&status, large, &limit, "an image above the limit");
    }
    good.ask(&mut server.client()).await;
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn other_protocols_and_garbage_on_the_port() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = limited(&place);
    let address = server.url().replace("http://", "");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers_of_nobody = [0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    let vast_frame = [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1];
    let mut silent = Vec::new();
    let talk: [&[&[u8]]; 7] = [
        &[b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
        &[b"POST /sagate.v1.QualityControl/Segment HTTP/1.1\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0"],
        &[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting"],
        &[&[0xff; 4096]],
        &[preface, &[0xff; 4096]],
        &[preface, &settings, &headers_of_nobody],
        &[preface, &settings, &vast_frame],
    ];
    for words in talk {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(crate::grpc_calls::CALL_TIMEOUT))
            .unwrap();
        // The server may close it while the client still writes.
        let _ = words.iter().try_for_each(|word| stream.write_all(word));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        assert!(
            !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "the connection is kept after {words:?}"
        );
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "HTTP/1 is not answered as if it were gRPC"
        );
        // A silent connection, and one that stops within the preface.
        silent.push(TcpStream::connect(&address).unwrap());
        let mut half = TcpStream::connect(&address).unwrap();
        half.write_all(&preface[..10]).unwrap();
        silent.push(half);
        good.ask(&mut server.client()).await;
    }
    drop(silent);
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}

/// Opens a stream; images go in by the sender.
async fn open(
    client: &mut Client,
) -> (
    mpsc::Sender<v1::SegmentStreamRequest>,
    tonic::Streaming<v1::SegmentStreamResponse>,
) {
    let (sender, images) = mpsc::channel(64);
    let answers = within(client.segment_stream(ReceiverStream::new(images))).await;
    (sender, answers.unwrap().into_inner())
}

#[tokio::test]
async fn half_a_stream() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 64, 64);
    let server = serve(&place, &[("ENGINE__MAX_BATCH", "1")], &[]);
    let client = &mut server.client();
    let image = |index: usize| v1::SegmentStreamRequest {
        request: Some(good.request(&format!("image-{index}"))),
    };
    // The client has no more to say while its images are still in work.
    let (sender, mut answers) = open(client).await;
    for index in 0..12 {
        sender.send(image(index)).await.unwrap();
    }
    drop(sender);
    let mut seen = std::collections::BTreeSet::new();
    while let Some(answer) = within(answers.message()).await.unwrap() {
        let Some(v1::segment_stream_response::Outcome::Segmentation(it)) = answer.outcome else {
            panic!("{answer:?}");
        };
        good.assert_is(&it);
        seen.insert(answer.request_id);
    }
    assert_eq!(seen.len(), 12, "every image has its answer: {seen:?}");
    // The client vanishes with images in work, after it has read so many answers.
    for read in 0..4 {
        let mut gone = server.client();
        let (sender, mut answers) = open(&mut gone).await;
        for index in 0..12 {
            sender.send(image(index)).await.unwrap();
        }
        for _ in 0..read {
            within(answers.message()).await.unwrap().unwrap();
        }
        drop((answers, sender, gone));
    }
    wait_until_idle(client).await;
    // Garbage after good images: these are answered first.
    let mut bytes = Vec::new();
    for index in 0..3 {
        let message = image(index).encode_to_vec();
        bytes.extend(frame(0, message.len(), &message));
    }
    bytes.extend(frame(0, 5, b"\xff\xff\xff\xff\xff"));
    let status = send(&server, "SegmentStream", None, bytes).await;
    assert_told(
        &status,
        (Code::InvalidArgument, "MALFORMED_MESSAGE"),
        "",
        "garbage in the middle",
    );
    wait_until_idle(client).await;
    let counts = crate::grpc_calls::status(client).await.models.remove(0);
    assert!(counts.accepted + counts.rejected >= 12 + 3, "{counts:?}");
    good.ask(client).await;
}

#[tokio::test]
async fn a_thousand_at_once() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 16, 16);
    // All of them come from one address.
    let server = serve(&place, &[("SERVER__MAX_CLIENT_CONNECTIONS", "600")], &[]);
    let mut work = tokio::task::JoinSet::new();
    let one = server.client();
    for index in 0..1000 {
        // Half of them on one connection, the others on one each.
        let mut client = if index % 2 == 0 {
            one.clone()
        } else {
            server.client()
        };
        let good = good.clone();
        work.spawn(async move {
            match within(client.segment(good.request("tiny"))).await {
                Ok(answer) => {
                    good.assert_is(&answer.into_inner().segmentation.unwrap());
                    true
                }
                Err(status) => {
                    assert_eq!(
                        error_info(&status),
                        (Code::ResourceExhausted, "QUEUE_FULL".into(), "".into())
                    );
                    assert!(crate::grpc_calls::retry(&status).unwrap() > Duration::ZERO);
                    false
                }
            }
        });
    }
    let answered = within(work.join_all()).await.into_iter().filter(|&it| it).count();
    assert!(
        answered >= 256,
        "as many as the queue holds are answered: {answered}"
    );
    let client = &mut server.client();
    wait_until_idle(client).await;
    good.ask(client).await;
}

#[tokio::test]
async fn packed_requests() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 48, 48);
    let server = serve(&place, &[], &[]);
    for (encoding, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let mut client = server
            .client()
            .send_compressed(encoding)
            .accept_compressed(encoding);
        let answer = within(client.segment(good.request("packed"))).await.unwrap();
        assert_eq!(
            answer.metadata().get("grpc-encoding").unwrap(),
            name,
            "it is packed as the request was"
        );
        good.assert_is(&answer.into_inner().segmentation.unwrap());
        let mut could = server.client().accept_compressed(encoding);
        let answer = within(could.segment(good.request("plain"))).await.unwrap();
        assert_eq!(
            answer.metadata().get("grpc-encoding"),
            None,
            "nobody wished for it"
        );
    }
}
