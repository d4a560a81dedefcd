//! `SegmentStream` over real gRPC: an answer for every image, by its id, and flow control of slow readers.
//!
//! What would break: an answer under another image's id, one bad image that ends the stream, a slow reader for whom the
//! server buffers without limit, or who delays others.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sagate::proto::v1;
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};
use v1::segment_stream_response::Outcome;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{ExpectedImage, status, until, wait_until_idle, wait_until_stalled, within};
use crate::server::{file, request, serve, tensor};

fn place() -> Place {
    Place::new(1, &[0.1, 0.2])
}

fn one(request: v1::SegmentRequest) -> v1::SegmentStreamRequest {
    v1::SegmentStreamRequest {
        request: Some(request),
    }
}

async fn all(mut answers: Streaming<v1::SegmentStreamResponse>) -> Vec<(String, Outcome)> {
    let mut seen = Vec::new();
    while let Some(answer) = within(answers.message()).await.unwrap() {
        seen.push((answer.request_id, answer.outcome.unwrap()));
    }
    seen
}

#[tokio::test]
async fn each_answer_has_its_id() {
    let place = place();
    let pass = place.pass();
    // Of several sizes, so that they are answered in another order than they came in.
    let known: BTreeMap<String, ExpectedImage> = (0..40)
        .map(|index| {
            let side = [32, 128, 48, 64][index % 4];
            (
                format!("image/{index}"),
                ExpectedImage::by(&pass, &waves_image(index, side, 40)),
            )
        })
        .collect();
    let server = serve(&place, &[], &[]);
    let mut client = server.client();
    let images: Vec<_> = known.iter().map(|(id, it)| one(it.request(id))).collect();
    let answers = within(client.segment_stream(tokio_stream::iter(images)))
        .await
        .unwrap();
    let mut left = known.clone();
    for (id, outcome) in all(answers.into_inner()).await {
        let Outcome::Segmentation(answer) = outcome else {
            panic!("{id}: {outcome:?}")
        };
        let known = left
            .remove(&id)
            .unwrap_or_else(|| panic!("{id} is answered twice, or was never asked for"));
        known.assert_is(&answer);
        let alone = within(client.segment(known.request("alone")))
            .await
            .unwrap()
            .into_inner();
        let alone = alone.segmentation.unwrap();
        assert_eq!(
            (alone.mu, &alone.mask, &alone.image_hash),
            (answer.mu, &answer.mask, &answer.image_hash)
        );
    }
    assert!(left.is_empty(), "no answer for {:?}", left.keys());
}

#[tokio::test]
async fn what_is_wrong_fails_alone() {
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let mut client = server.client();
    let mut unknown = good.request("unknown");
    unknown.options.as_mut().unwrap().model = Some(v1::ModelReference {
        name: "huge".into(),
        version: 0,
    });
    let images = vec![
        one(good.request("first")),
        one(request("garbage", file(vec![7; 100]))),
        one(request("", good.image.clone())),
        v1::SegmentStreamRequest { request: None },
        one(unknown),
        one(good.request("Jane Doe")),
        one(good.request("last")),
    ];
    let answers = within(client.segment_stream(tokio_stream::iter(images)))
        .await
        .unwrap();
    let mut outcomes: Vec<(String, String)> = Vec::new();
    for (id, outcome) in all(answers.into_inner()).await {
        match outcome {
            Outcome::Segmentation(answer) => {
                good.assert_is(&answer);
                outcomes.push((id, "answered".into()));
            }
            Outcome::Failure(failure) => {
                let code = Code::from_i32(failure.code as i32);
                assert!(
                    !failure.message.contains("Jane") && !failure.message.is_empty(),
                    "{failure:?}"
                );
                assert_eq!(failure.retry_after_seconds, None);
                outcomes.push((id, format!("{code:?} {} {}", failure.reason, failure.field)));
            }
        }
    }
    outcomes.sort();
    let expected = [
        ("", "InvalidArgument INVALID_FIELD request.request_id"),
        ("", "InvalidArgument INVALID_FIELD request.request_id"),
        ("Jane Doe", "InvalidArgument INVALID_FIELD request_id"),
        ("first", "answered"),
        ("garbage", "InvalidArgument INVALID_IMAGE image.file"),
        ("last", "answered"),
        ("unknown", "NotFound UNKNOWN_MODEL "),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(id, outcome)| (id.to_owned(), outcome.to_owned()))
    );
}

#[tokio::test]
async fn a_slow_reader_blocks_only_itself() {
    const WINDOW: usize = 4;
    const IMAGES: usize = 60;
    let place = place();
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[("SERVER__STREAM_WINDOW", "4")], &[]);
    // 1 MiB each way, so that what HTTP/2 buffers is a few of them.
    let image = tensor(&waves_image(3, 512, 512));
    let mut asked = request("", image);
    asked.options.as_mut().unwrap().probabilities = true;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let images = tokio_stream::iter(0..IMAGES).map(move |index| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut asked = asked.clone();
        asked.request_id = format!("{index}");
        one(asked)
    });
    let mut slow = server.client();
    let answers = within(slow.segment_stream(images)).await.unwrap().into_inner();
    let mut client = server.client();
    let taken = wait_until_stalled(&mut client).await;
    let sent_so_far = sent.load(Ordering::SeqCst);
    println!("{taken} images judged, {sent_so_far} sent, none read");
    // Answers of 1 MiB: the window's, and those that the client's receive window and the sockets hold, not all of them.
    assert!(
        (WINDOW as u64..IMAGES as u64 / 2).contains(&taken),
        "{taken} of {IMAGES} images were taken"
    );
    assert!(
        sent_so_far < IMAGES,
        "the client is not read from any more: {sent_so_far}"
    );
    // Everyone else is served, on the same model; the one who does not read holds no place of the queue, and the bytes of its answers
    // count.
    for _ in 0..5 {
        good.ask(&mut client).await;
    }
    // An answer may be here a moment before its place is free again.
    until(
        "places are held by answers, or their bytes do not count",
        async || {
            let queue = &status(&mut client).await.models[0];
            queue.queue_entries == 0 && queue.queue_bytes >= WINDOW as u64 * (1 << 20)
        },
    )
    .await;
    let mut ids: Vec<usize> = all(answers)
        .await
        .into_iter()
        .map(|(id, outcome)| {
            assert!(matches!(outcome, Outcome::Segmentation(_)), "{id}");
            id.parse().unwrap()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..IMAGES).collect::<Vec<_>>());
    wait_until_idle(&mut client).await;
}
