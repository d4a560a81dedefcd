//! What a server takes before it has admitted anything, and what it keeps after it has answered: connections, bytes and time, each bounded.
//!
//! What would break: memory that grows with what peers announce, send or do not read; a peer that holds others up by saying nothing; a
//! refusal without words.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use prost::Message;
use sagate::proto::v1;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{ExpectedImage, error_info, retry, status, until, wait_until_idle, within};
use crate::server::{Server, request, serve, tensor};

const SEGMENT: &str = "/sagate.v1.QualityControl/Segment";

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

/// One connection of HTTP/2.
struct Connection {
    sender: SendRequest<Bytes>,
    running: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    async fn open(server: &Server) -> Result<Connection, h2::Error> {
        Connection::with(server, &h2::client::Builder::new()).await
    }

    async fn with(server: &Server, builder: &h2::client::Builder) -> Result<Connection, h2::Error> {
        let address = server.url();
        let stream = tokio::net::TcpStream::connect(address.trim_start_matches("http://"));
        let (sender, connection) = builder.handshake(stream.await.unwrap()).await?;
        Ok(Connection {
            running: tokio::spawn(connection),
            sender: sender.ready().await?,
        })
    }

    /// Begins a call, and sends these bytes of its body.
    async fn call(
        &mut self,
        path: &str,
        body: Bytes,
        is_end: bool,
    ) -> Result<(ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        let asked = Request::post(format!("http://a{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut stream) = sender.send_request(asked, false)?;
        stream.send_data(body, is_end)?;
        Ok((answer, stream))
    }
}

/// The status of an answer that is nothing else.
async fn refusal(answer: ResponseFuture) -> Status {
    let answer = within(answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let mut body = answer.into_body();
    while let Some(data) = within(body.data()).await {
        data.unwrap();
    }
    let trailers = within(body.trailers()).await.unwrap().unwrap();
    Status::from_header_map(&trailers).unwrap()
}

/// A message as gRPC frames it, of which more is announced than there is.
fn announced(length: usize, bytes: usize) -> Bytes {
    let mut framed = vec![0];
    framed.extend((length as u32).to_be_bytes());
    framed.resize(framed.len() + bytes, 7);
    framed.into()
}

fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// Bytes of memory that a server has.
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn connections_are_counted_and_one_too_many_is_told_so() {
    let place = place();
    let settings = [
        ("SERVER__MAX_CONNECTIONS", "4"),
        ("SERVER__MAX_CLIENT_CONNECTIONS", "3"),
    ];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Connection::open(&server).await.unwrap());
    }
    // They are taken once they are answered.
    for connection in &mut open {
        let (answer, _stream) = connection
            .call(SEGMENT, framed(&v1::SegmentRequest::default()), true)
            .await
            .unwrap();
        assert_eq!(refusal(answer).await.code(), Code::InvalidArgument);
    }
    let refused = server
        .client()
        .segment(request("", tensor(&waves_image(1, 16, 16))))
        .await;
    let refused = refused.unwrap_err();
    // As UNAVAILABLE, as gRPC's table of HTTP/2's errors has it, or as hyper tells a call that its connection never began. What the server
    // says is looked at below.
    let code = refused.code();
    assert!(
        matches!(
            code,
            Code::Unavailable | Code::ResourceExhausted | Code::Cancelled
        ),
        "{refused:?}"
    );
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("server.max_client_connections"), "{said}");
    // The same limit is on the HTTP port.
    let mut stream = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /v2 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 503")
            && said.contains("server.max_client_connections")
            && said.contains("retry-after"),
        "{said}"
    );
    // One that goes makes room.
    let gone = open.pop().unwrap();
    gone.running.abort();
    drop(gone);
    until("a connection that has gone is still counted", async || {
        let asked = request("", tensor(&waves_image(1, 16, 16)));
        server.client().segment(asked).await.is_ok()
    })
    .await;
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn what_is_being_received_is_bounded_as_it_arrives() {
    const MESSAGE: usize = 1 << 20;
    let place = place();
    let bytes = MESSAGE.to_string();
    let settings = [
        ("SERVER__MAX_MESSAGE_BYTES", &*bytes),
        ("SERVER__RECEIVE_BYTES", &bytes),
    ];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let good = ExpectedImage::new(&place, 9, 128, 128);
    let mut connection = Connection::open(&server).await.unwrap();
    // What is only announced takes nothing.
    let mut announcing = Vec::new();
    for _ in 0..64 {
        announcing.push(
            connection
                .call(SEGMENT, announced(MESSAGE, 100), false)
                .await
                .unwrap(),
        );
    }
    // A small one: where its bytes are given back only after its answer, there is room all the same.
    let small = ExpectedImage::new(&place, 9, 16, 16);
    small.ask(&mut server.client()).await;
    // What has come of it does. Of the two that do not fit the later one is refused: the large one is sent anew until it is the other.
    let begun = std::time::Instant::now();
    let (held, refused) = loop {
        let large = announced(MESSAGE, MESSAGE - 50_000);
        let held = connection.call(SEGMENT, large, false).await.unwrap();
        if let Some(refused) = good_or_refused(&server, &good).await {
            break (held, refused);
        }
        assert!(
            begun.elapsed() < crate::grpc_calls::CALL_TIMEOUT,
            "a call is taken although the budget is spent"
        );
    };
    assert_eq!(
        error_info(&refused),
        (Code::ResourceExhausted, "RECEIVE_BUDGET_SPENT".into(), "".into())
    );
    assert!(retry(&refused).is_some() && refused.message().contains("server.receive_bytes"));
    // On a stream as well, and over HTTP.
    let images = tokio_stream::iter([v1::SegmentStreamRequest {
        request: Some(good.request("one")),
    }]);
    let mut streaming = within(server.client().segment_stream(images))
        .await
        .unwrap()
        .into_inner();
    let refused = within(streaming.message()).await.unwrap_err();
    assert_eq!(error_info(&refused).1, "RECEIVE_BUDGET_SPENT");
    let said = infer(&server, 100_000);
    assert!(
        said.starts_with("HTTP/1.1 429")
            && said.contains("RECEIVE_BUDGET_SPENT")
            && said.contains("retry-after"),
        "{said}"
    );
    // It is given back with the call.
    drop((held, announcing));
    connection.running.abort();
    until("what a caller sent that is gone is still counted", async || {
        good_or_refused(&server, &good).await.is_none()
    })
    .await;
    let said = infer(&server, 100_000);
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    wait_until_idle(&mut server.client()).await;
    assert_eq!(server.stop().code, 0);
}

/// `None` where it is answered.
async fn good_or_refused(server: &Server, good: &ExpectedImage) -> Option<Status> {
    within(server.client().segment(good.request("good"))).await.err()
}

/// Sends spaces over HTTP as an inference; what is answered.
fn infer(server: &Server, bytes: usize) -> String {
    let mut stream = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v2/models/tiny/infer HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(&vec![b' '; bytes]);
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    said.to_lowercase()
        .replacen("http", "HTTP", 1)
        .replace("receive_budget_spent", "RECEIVE_BUDGET_SPENT")
}

#[tokio::test]
async fn what_does_not_come_is_not_waited_for() {
    let place = place();
    let server = serve(
        &place,
        &[("SERVER__RECEIVE_TIMEOUT_SECONDS", "1")],
        &["--http", "127.0.0.1:0"],
    );
    let mut connection = Connection::open(&server).await.unwrap();
    let whole = framed(&request("", tensor(&waves_image(1, 16, 16))));
    for (case, body) in [
        ("nothing", Bytes::new()),
        ("half a header", Bytes::from_static(&[0, 0])),
        ("half a message", announced(1000, 500)),
        ("half a large message", announced(1_000_000, 300_000)),
        ("a message, and not its end", whole),
    ] {
        let (answer, _stream) = connection.call(SEGMENT, body, false).await.unwrap();
        let status = refusal(answer).await;
        assert_eq!(
            error_info(&status),
            (Code::DeadlineExceeded, "REQUEST_TOO_SLOW".into(), "".into()),
            "{case}"
        );
    }
    // A stream may be silent between two messages, but not within one.
    let (answer, mut stream) = connection
        .call("/sagate.v1.QualityControl/SegmentStream", Bytes::new(), false)
        .await
        .unwrap();
    let answer = tokio::spawn(refusal(answer));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        !answer.is_finished(),
        "a stream that says nothing yet is no slow message"
    );
    stream.send_data(announced(1000, 500), false).unwrap();
    assert_eq!(error_info(&within(answer).await.unwrap()).1, "REQUEST_TOO_SLOW");
    // Over HTTP.
    let mut slow = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    slow.write_all(b"POST /v2/models/tiny/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{")
        .unwrap();
    let mut said = [0; 12];
    slow.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 504");
    // A connection that does not even say what it speaks.
    let mut silent = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let mut said = Vec::new();
    let ended = silent.read_to_end(&mut said);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    wait_until_idle(&mut server.client()).await;
    assert_eq!(server.stop().code, 0);
}

/// Asks for an image with its probabilities, which are more than a reader takes that does not read.
fn large(seed: usize) -> Bytes {
    let mut asked = request("unread", tensor(&waves_image(seed, 256, 256)));
    asked.options.as_mut().unwrap().probabilities = true;
    framed(&asked)
}

#[tokio::test]
async fn readers_that_never_read_take_no_more_than_the_limit() {
    const READERS: usize = 500;
    const ON_EACH: usize = 10;
    const LIMIT: u64 = 48 << 20;
    let place = place();
    let limit = LIMIT.to_string();
    let settings = [
        ("ENGINE__TOTAL_BYTES", &*limit),
        ("ENGINE__QUEUE_BYTES", &limit),
        // None is given up while this looks.
        ("SERVER__SEND_TIMEOUT_SECONDS", "600"),
    ];
    let server = serve(&place, &settings, &[]);
    let good = ExpectedImage::new(&place, 9, 64, 64);
    good.ask(&mut server.client()).await;
    let before = resident(&server);
    let mut connections = Vec::new();
    let mut unread = Vec::new();
    for index in 0..READERS {
        if index % ON_EACH == 0 {
            connections.push(Connection::open(&server).await.unwrap());
        }
        let connection = connections.last_mut().unwrap();
        let (answer, _stream) = connection.call(SEGMENT, large(index), true).await.unwrap();
        let answer = within(answer).await.unwrap();
        // The body is kept and never read; where there is none it was refused.
        match Status::from_header_map(answer.headers()) {
            None => unread.push(answer.into_body()),
            Some(refused) => assert_eq!(error_info(&refused).1, "QUEUE_FULL", "{refused:?}"),
        }
    }
    let refused = READERS - unread.len();
    let held = status(&mut server.client()).await.models[0].queue_bytes;
    let grown = resident(&server).saturating_sub(before);
    println!(
        "{} unread answers, {refused} refused, {} MiB counted, {} MiB more memory",
        unread.len(),
        held >> 20,
        grown >> 20
    );
    assert!(
        !unread.is_empty() && refused > 0,
        "{refused} of {READERS} refused"
    );
    // Each waits with more than a hundred KiB.
    assert!(
        held > unread.len() as u64 * (100 << 10) && held <= LIMIT,
        "{held} bytes are counted"
    );
    assert!(grown < 4 * LIMIT, "{grown} bytes more");
    let asked = request("", tensor(&waves_image(3, 1024, 1024)));
    let late = within(server.client().segment(asked)).await.unwrap_err();
    assert_eq!(error_info(&late).1, "QUEUE_FULL", "{late:?}");
    // When they go, others are served again.
    drop(unread);
    for connection in connections {
        connection.running.abort();
    }
    wait_until_idle(&mut server.client()).await;
    good.ask(&mut server.client()).await;
    assert_eq!(server.stop().code, 0);
}

/// How an answer that is not read ends.
async fn end(mut body: RecvStream) -> h2::Error {
    loop {
        match within(body.data()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return error,
            None => panic!("the answer ends well"),
        }
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_call_and_a_connection_that_takes_nothing_ends() {
    let place = place();
    let server = serve(&place, &[("SERVER__SEND_TIMEOUT_SECONDS", "1")], &[]);
    let good = framed(&ExpectedImage::new(&place, 9, 64, 64).request("beside"));
    for (connection_window, goes_on) in [(16 << 20, true), (65_535, false)] {
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(connection_window);
        let mut connection = Connection::with(&server, &builder).await.unwrap();
        let mut unread = Vec::new();
        for seed in 0..3 {
            let (answer, _stream) = connection.call(SEGMENT, large(seed), true).await.unwrap();
            unread.push(within(answer).await.unwrap().into_body());
        }
        // What they held is given back, although their reader is still there.
        wait_until_idle(&mut server.client()).await;
        if goes_on {
            let (answer, _stream) = connection.call(SEGMENT, good.clone(), true).await.unwrap();
            let mut body = within(answer).await.unwrap().into_body();
            while let Some(part) = within(body.data()).await {
                part.unwrap();
            }
            assert_eq!(
                within(body.trailers()).await.unwrap().unwrap()["grpc-status"],
                "0"
            );
        }
        for body in unread {
            let error = end(body).await;
            assert!(error.is_reset() || !goes_on, "{error}");
        }
        if goes_on {
            assert!(!connection.running.is_finished());
        } else {
            until("the connection goes on", async || {
                connection.running.is_finished()
            })
            .await;
        }
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn large_headers_are_refused_alone() {
    let place = place();
    let server = Server::start(&place, &[]);
    let known = ExpectedImage::new(&place, 9, 256, 256);
    for bytes in [17_000, 65_000, 70_000, 100_000] {
        let mut client = server.client();
        client.get_status(v1::GetStatusRequest {}).await.unwrap();
        let mut beside = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (mut client, known) = (client.clone(), known.clone());
            beside.spawn(async move { known.ask(&mut client).await });
        }
        let mut asked = tonic::Request::new(v1::GetStatusRequest {});
        asked
            .metadata_mut()
            .insert("x-large", "y".repeat(bytes).parse().unwrap());
        let refused = within(client.get_status(asked)).await.unwrap_err();
        assert_eq!(
            error_info(&refused),
            (Code::ResourceExhausted, "HEADERS_TOO_LARGE".into(), "".into()),
            "{bytes}"
        );
        assert!(
            refused.message().contains("16384") && refused.message().contains("server.max_header_bytes"),
            "{refused:?}"
        );
        within(beside.join_all()).await;
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn the_server_sets_deadlines_where_the_client_sets_none() {
    let place = Place::new(1, &[0.1, 0.2]);
    let settings = [
        ("SERVER__DEFAULT_DEADLINE_SECONDS", "1"),
        ("SERVER__MAX_DEADLINE_SECONDS", "2"),
    ];
    let server = serve(&place, &settings, &[]);
    let mut connection = Connection::open(&server).await.unwrap();
    // The message does not come; its call ends by the default.
    let (answer, _stream) = connection.call(SEGMENT, announced(1000, 5), false).await.unwrap();
    assert_eq!(error_info(&refusal(answer).await).1, "DEADLINE_EXCEEDED");
    // A stream has no default, and ends at the maximum, whatever its client asks for.
    for timeout in [None, Some("1H")] {
        let (_images, receiver) = tokio::sync::mpsc::channel::<v1::SegmentStreamRequest>(1);
        let mut asked = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
        if let Some(timeout) = timeout {
            asked
                .metadata_mut()
                .insert("grpc-timeout", timeout.parse().unwrap());
        }
        let mut answers = within(server.client().segment_stream(asked))
            .await
            .unwrap()
            .into_inner();
        let ended = within(answers.message()).await.unwrap_err();
        assert_eq!(error_info(&ended).1, "DEADLINE_EXCEEDED", "{timeout:?}");
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn a_call_begins_with_its_headers() {
    let place = place();
    let server = Server::start(&place, &["--http", "127.0.0.1:0"]);
    let mut connection = Connection::open(&server).await.unwrap();
    let whole = framed(&request("", tensor(&waves_image(1, 16, 16))));
    let (answer, mut stream) = connection.call(SEGMENT, whole.slice(..100), false).await.unwrap();
    let in_flight = r#"sagate_requests_in_flight{method="Segment"}"#;
    until(
        "a call whose message is on its way is not in flight",
        async || server.metric(in_flight) == 1.0,
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.send_data(whole.slice(100..), true).unwrap();
    within(answer).await.unwrap();
    until("the call does not end", async || server.metric(in_flight) == 0.0).await;
    let took = server.metric(r#"sagate_request_duration_seconds_sum{code="OK",method="Segment"}"#);
    assert!(took >= 0.3, "it took {took} s, with its message");
    // Over HTTP as well.
    let mut http = TcpStream::connect(server.http().trim_start_matches("http://")).unwrap();
    http.write_all(b"POST /v2/models/tiny/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{")
        .unwrap();
    until(
        "an inference whose body is on its way is not in flight",
        async || server.metric(r#"sagate_requests_in_flight{method="ModelInfer"}"#) == 1.0,
    )
    .await;
    // One that is refused before its message is here is counted.
    let (answer, _stream) = connection
        .call(SEGMENT, announced(usize::MAX >> 33, 1), true)
        .await
        .unwrap();
    assert_eq!(refusal(answer).await.code(), Code::ResourceExhausted);
    assert_eq!(
        server.metric(r#"sagate_requests_total{code="RESOURCE_EXHAUSTED",method="Segment"}"#),
        1.0
    );
    // What is half here when the server ends does not hold it up.
    let (answer, _stream) = connection.call(SEGMENT, whole.slice(..100), false).await.unwrap();
    server.signal("TERM");
    assert_eq!(error_info(&refusal(answer).await).1, "SHUTTING_DOWN");
    drop(http);
    assert_eq!(server.ended().code, 0);
}

#[tokio::test]
async fn small_fields_do_not_become_large_memory() {
    let place = place();
    let server = Server::start(&place, &[]);
    let before = resident(&server);
    // Inputs of two bytes each; and one input whose contents are as many elements of BYTES.
    let many: Vec<u8> = [0x2a, 0].repeat(4 << 20);
    let elements: Vec<u8> = [0x42, 0].repeat(4 << 20);
    let wrap = |field: u8, inner: &[u8]| {
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let mut connection = Connection::open(&server).await.unwrap();
    for message in [many, wrap(5, &wrap(5, &elements))] {
        let mut body = vec![0];
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
        let path = "/inference.GRPCInferenceService/ModelInfer";
        let (answer, _stream) = connection.call(path, body.into(), true).await.unwrap();
        let refused = refusal(answer).await;
        assert_eq!(
            error_info(&refused),
            (Code::InvalidArgument, "TOO_MANY_FIELDS".into(), "".into())
        );
    }
    let grown = resident(&server).saturating_sub(before);
    println!("{} MiB more memory", grown >> 20);
    assert!(grown < 128 << 20, "{grown} bytes more");
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn what_a_caller_named_is_repeated_in_part() {
    use sagate::proto::inference::infer_parameter::ParameterChoice;
    let place = place();
    let server = Server::start(&place, &[]);
    let image = || crate::oip::asks("IMAGE", "UINT8", &[2, 2], vec![0, 50, 100, 255]);
    // Three bytes each: what goes out in a header is three times as long again.
    let long = "\u{8111}".repeat(18_000);
    let mut input = image();
    input.inputs[0].name = long.clone();
    let mut datatype = image();
    datatype.inputs[0].datatype = long.clone();
    let mut version = image();
    version.model_version = long.clone();
    let mut of_input = image();
    of_input.inputs[0]
        .parameters
        .insert(long.clone(), Default::default());
    let cases = [
        (
            "parameter",
            crate::oip::with(image(), &long, ParameterChoice::BoolParam(true)),
        ),
        (
            "value",
            crate::oip::with(image(), "coverage", ParameterChoice::StringParam(long.clone())),
        ),
        ("output", crate::oip::with_outputs(image(), &[&long])),
        ("input", input),
        ("parameter of an input", of_input),
        ("datatype", datatype),
        ("version", version),
    ];
    for (case, asked) in cases {
        let refused = within(crate::oip::client(&server).model_infer(asked))
            .await
            .unwrap_err();
        assert_eq!(
            error_info(&refused).0,
            Code::InvalidArgument,
            "{case}: {refused:?}"
        );
        let headers: usize = refused.message().len() * 3 + refused.details().len() * 4 / 3;
        assert!(headers < 8000, "{case}: {headers} bytes of headers");
    }
    let mut asked = request("", tensor(&waves_image(1, 16, 16)));
    asked.options.as_mut().unwrap().model = Some(v1::ModelReference {
        name: long,
        version: 0,
    });
    let refused = within(server.client().segment(asked)).await.unwrap_err();
    assert_eq!(error_info(&refused).0, Code::NotFound);
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn requests_are_packed_in_every_way_that_is_usual() {
    use tonic::codec::CompressionEncoding::{Deflate, Gzip, Zstd};
    let place = place();
    let server = Server::start(&place, &[]);
    let good = ExpectedImage::new(&place, 9, 64, 64);
    for encoding in [Deflate, Gzip, Zstd] {
        let mut client = server
            .client()
            .send_compressed(encoding)
            .accept_compressed(encoding);
        good.ask(&mut client).await;
    }
    assert_eq!(server.stop().code, 0);
}
