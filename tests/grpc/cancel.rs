//! Calls that end without an answer: cancelled at any moment, past the deadline, or refused by a full queue.
//!
//! What would break: a leaked queue permit, work that goes on after cancellation, a deadline with another status,
//! a full queue that admits more or gives no retry delay.

use std::time::Duration;

use prost::Message;
use sagate::proto::v1;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{ExpectedImage, error_info, retry, status, wait_until_idle, within};
use crate::server::{request, serve, tensor};

fn place() -> Place {
    Place::new(1, &[0.1, 0.2])
}

fn look(image: &v1::Image) -> v1::InterpretRequest {
    let units = (1..=18).map(|layer| v1::UnitOptions {
        layer,
        count: 2,
        ..Default::default()
    });
    v1::InterpretRequest {
        request_id: "gone".into(),
        image: Some(image.clone()),
        units: units.collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn cancelled_at_any_moment() {
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[("ENGINE__MAX_BATCH", "2")], &[]);
    let image = tensor(&waves_image(2, 160, 160));
    let mut work = JoinSet::new();
    let mut clients = [server.client(), server.client(), server.client()];
    for index in 0..300u64 {
        let mut client = clients[index as usize % 3].clone();
        let image = image.clone();
        let moment = Duration::from_micros(777 * index);
        work.spawn(async move {
            let call = async {
                match index % 3 {
                    0 => drop(client.segment(request("gone", image)).await),
                    1 => {
                        if let Ok(parts) = client.interpret(look(&image)).await {
                            let mut parts = parts.into_inner();
                            while let Ok(Some(_)) = parts.message().await {}
                        }
                    }
                    _ => {
                        let images = (0..4).map(move |index| v1::SegmentStreamRequest {
                            request: Some(request(&format!("{index}"), image.clone())),
                        });
                        if let Ok(answers) = client.segment_stream(tokio_stream::iter(images)).await {
                            let mut answers = answers.into_inner();
                            while let Ok(Some(_)) = answers.message().await {}
                        }
                    }
                }
            };
            // Whether it is done by then does not matter: what matters is what is left behind.
            let _ = tokio::time::timeout(moment, call).await;
        });
    }
    within(work.join_all()).await;
    wait_until_idle(&mut clients[0]).await;
    good.ask(&mut clients[0]).await;
}

#[tokio::test]
async fn cancelled_after_each_part() {
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let client = &mut server.client();
    let image = tensor(&waves_image(2, 160, 160));
    // A decision, 18 layers, 18 units and a summary.
    for parts in 0..=38 {
        let mut seen = within(client.interpret(look(&image))).await.unwrap().into_inner();
        for part in 0..parts {
            assert!(
                within(seen.message()).await.unwrap().is_some(),
                "part {part} of 38"
            );
        }
    }
    wait_until_idle(client).await;
    good.ask(client).await;
}

/// A call over a bare connection, whose client has no clock of its own that could end it before the server does. Without a message it
/// stays open.
async fn raw(address: &str, method: &str, timeout: &str, message: &[u8]) -> Status {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let asked = http::Request::post(format!("http://{address}/sagate.v1.QualityControl/{method}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, mut body) = client.send_request(asked, false).unwrap();
    if !message.is_empty() {
        let length = (message.len() as u32).to_be_bytes();
        let framed = [&[0], &length[..], message].concat();
        // It may be over before all of it is sent.
        let _ = body.send_data(framed.into(), true);
    }
    let answer = answer.await.unwrap();
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let mut body_of_answer = answer.into_body();
    while let Some(data) = body_of_answer.data().await {
        let length = data.unwrap().len();
        body_of_answer.flow_control().release_capacity(length).unwrap();
    }
    let trailers = body_of_answer.trailers().await.unwrap().expect("trailers");
    Status::from_header_map(&trailers).unwrap()
}

#[tokio::test]
async fn out_of_time() {
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[("ENGINE__MAX_BATCH", "1")], &[]);
    let client = &mut server.client();
    let image = tensor(&waves_image(3, 256, 256));
    let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into(), "".into());
    // Long before its turn, and behind others that have all the time in the world.
    let mut others = JoinSet::new();
    for _ in 0..6 {
        let (mut client, image) = (server.client(), image.clone());
        others.spawn(async move { within(client.segment(request("patient", image))).await });
    }
    let mut hasty = JoinSet::new();
    for timeout in ["0m", "1n", "1u", "1m", "5m", "20m", "1S"] {
        let calls = [
            ("Segment", request("hasty", image.clone()).encode_to_vec()),
            ("Interpret", look(&image).encode_to_vec()),
            // Callers whose message never comes.
            ("Segment", Vec::new()),
            ("Interpret", Vec::new()),
            ("SegmentStream", Vec::new()),
        ];
        for (method, message) in calls {
            let address = server.url().replace("http://", "");
            hasty.spawn(async move {
                (
                    method,
                    timeout,
                    within(raw(&address, method, timeout, &message)).await,
                )
            });
        }
    }
    for (method, timeout, status) in within(hasty.join_all()).await {
        match status.code() {
            // A fast machine may answer in time.
            Code::Ok => assert!(["5m", "20m", "1S"].contains(&timeout), "{method} in {timeout}"),
            // What cannot be done in its time is refused before it runs out.
            Code::ResourceExhausted => {
                assert_eq!(error_info(&status).1, "NOT_IN_TIME", "{method} in {timeout}")
            }
            _ => assert_eq!(error_info(&status), expected, "{method} in {timeout}: {status:?}"),
        }
    }
    for patient in within(others.join_all()).await {
        patient.expect("nobody else pays for it");
    }
    wait_until_idle(client).await;
    let mut asked = Request::new(good.request("in-time"));
    asked.set_timeout(Duration::from_secs(600));
    within(client.segment(asked)).await.unwrap();
    good.ask(client).await;
}

/// So many images at once; how those were refused that were, and how many were answered.
async fn flood(server: &crate::server::Server, image: &v1::Image, count: usize) -> (usize, Vec<Status>) {
    let mut work = JoinSet::new();
    for _ in 0..count {
        let (mut client, image) = (server.client(), image.clone());
        work.spawn(async move { within(client.segment(request("many", image))).await });
    }
    let mut refused = Vec::new();
    for ended in within(work.join_all()).await {
        refused.extend(ended.err());
    }
    (count - refused.len(), refused)
}

/// Each was refused as the queue was full, in a message with these words, with a hint when to come again.
#[track_caller]
fn assert_full(refused: &[Status], words: &[&str]) {
    for status in refused {
        assert_eq!(
            error_info(status),
            (Code::ResourceExhausted, "QUEUE_FULL".into(), "".into())
        );
        assert!(retry(status).unwrap() > Duration::ZERO, "{status:?}");
        for word in words {
            assert!(status.message().contains(word), "{status:?}");
        }
    }
}

#[tokio::test]
async fn a_full_queue() {
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let image = tensor(&waves_image(2, 256, 256));
    let server = serve(&place, &[("ENGINE__QUEUE_ENTRIES", "2")], &[]);
    let (answered, refused) = flood(&server, &image, 40).await;
    assert!(answered >= 2 && !refused.is_empty(), "{answered} answered");
    assert_full(&refused, &["of at most 2", "tiny@1"]);
    wait_until_idle(&mut server.client()).await;
    good.ask(&mut server.client()).await;

    // One such image takes its 256 KiB, as much prepared, and its answer: room for one, never for two.
    let server = serve(&place, &[("ENGINE__QUEUE_BYTES", "1200000")], &[]);
    let (answered, refused) = flood(&server, &image, 40).await;
    assert!(answered >= 1 && !refused.is_empty(), "{answered} answered");
    assert_full(&refused, &["bytes of at most 1200000"]);
    let client = &mut server.client();
    wait_until_idle(client).await;
    // One that could never fit: before it is decoded, and once it is known what it becomes.
    let vast = tensor(&waves_image(2, 600, 600));
    let wide = tensor(&waves_image(2, 400, 400));
    for image in [vast, wide] {
        let refused = within(client.segment(request("vast", image))).await.unwrap_err();
        assert_eq!(
            error_info(&refused),
            (Code::ResourceExhausted, "IMAGE_TOO_LARGE".into(), "".into())
        );
        assert_eq!(
            retry(&refused),
            None,
            "it makes no sense to come again: {refused:?}"
        );
        assert!(refused.message().contains("engine.queue_bytes"), "{refused:?}");
    }
    good.ask(client).await;
    wait_until_idle(client).await;
    let counts = &status(client).await.models[0];
    assert_eq!((counts.queue_entries, counts.queue_bytes), (0, 0));
}
