use http_body::Body as _;
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;

use super::*;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

fn body(frames: Vec<Frame<Bytes>>, budget: &Arc<ReceiveBudget>) -> Body {
    let frames = frames.into_iter().map(Ok::<_, Status>);
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    limited(http::Request::new(body), budget, 1 << 20).into_body()
}

fn budget(limit: u64) -> Arc<ReceiveBudget> {
    ReceiveBudget::new(limit, limit as usize, Duration::from_secs(1))
}

proptest! {
    /// However a request is cut into frames: the same bytes in the same order, the trailers after them; no part reaches beyond a
    /// message, and every header comes alone.
    #[test]
    fn a_header_comes_first_and_nothing_is_lost(
        messages in prop::collection::vec(0usize..200_000, 0..4),
        cuts in prop::collection::vec(1usize..70_000, 1..12),
    ) {
        let mut bytes = Vec::new();
        for length in &messages {
            bytes.push(0);
            bytes.extend((*length as u32).to_be_bytes());
            bytes.extend((0..*length).map(|it| it as u8));
        }
        let mut frames = Vec::new();
        let (mut rest, mut cuts) = (Bytes::from(bytes.clone()), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let cut = cuts.next().unwrap().min(rest.len());
            frames.push(Frame::data(rest.split_to(cut)));
        }
        let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("last"))]);
        frames.push(Frame::trailers(trailers.clone()));
        let budget = budget(1 << 20);
        let mut body = body(frames, &budget);
        let (seen, parts, last) = run(async {
            let (mut seen, mut parts, mut last) = (Vec::new(), Vec::new(), None);
            while let Some(frame) = body.frame().await {
                match frame.unwrap().into_data() {
                    Ok(data) => {
                        parts.push(seen.len()..seen.len() + data.len());
                        seen.extend(data);
                    }
                    Err(frame) => last = frame.into_trailers().ok(),
                }
                assert!(last.is_some() || !body.is_end_stream(), "the trailers are still to come");
            }
            (seen, parts, last)
        });
        prop_assert_eq!(&seen, &bytes);
        prop_assert_eq!(last, Some(trailers));
        let mut begin = 0;
        for length in messages {
            let header = begin..begin + HEADER_SIZE;
            prop_assert!(parts.contains(&header), "{header:?} in {parts:?}");
            let end = header.end + length;
            prop_assert!(parts.iter().all(|part| part.end <= end || part.start >= end));
            begin = end;
        }
        drop(body);
        prop_assert_eq!(budget.held.load(Relaxed), 0);
    }
}

#[test]
fn what_a_large_message_announces_is_not_shown_before_it_is_here() {
    let budget = budget(1 << 20);
    let mut begin = vec![0];
    begin.extend((1u32 << 19).to_be_bytes());
    begin.extend([7; 1000]);
    let frames = vec![Frame::data(Bytes::from(begin))];
    let mut body = body(frames, &budget);
    let shown = run(async { body.frame().await.unwrap().unwrap().into_data().unwrap() });
    assert!(shown.len() < HEADER_SIZE, "{} bytes", shown.len());
}

#[test]
fn more_than_the_budget_is_refused_as_it_arrives() {
    let budget = budget(1000);
    let other = &mut budget.charge(ClientKey::At(None));
    other.add(600).unwrap();
    let mut message = vec![0];
    message.extend(500u32.to_be_bytes());
    message.extend([7; 500]);
    let mut body = body(vec![Frame::data(Bytes::from(message))], &budget);
    let status = run(async {
        loop {
            match body.frame().await.unwrap() {
                Ok(_) => {}
                Err(status) => return status,
            }
        }
    });
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert_eq!(budget.held.load(Relaxed), 600);
}

#[test]
fn a_message_that_does_not_come_is_waited_for_so_long() {
    let budget = budget(1000);
    let begin = tokio_stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(&[
        0, 0, 0, 0, 9, 1,
    ])))]);
    let silent = tokio_stream::StreamExt::chain(begin, tokio_stream::pending());
    let request = http::Request::new(Body::new(StreamBody::new(silent)));
    let mut body = limited(request, &budget, 1 << 20).into_body();
    let status = run(async {
        loop {
            match body.frame().await.unwrap() {
                Ok(_) => {}
                Err(status) => return status,
            }
        }
    });
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
}
