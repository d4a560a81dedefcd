//! Rate limits: properties of the algorithm, and the real server.
//!
//! What would break: a client that exceeds its limit, one within its limit that is refused, a stream that bypasses it, memory
//! that grows with the number of clients.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sagate::config::RateSettings;
use sagate::proto::v1;
use sagate::security::{ClientKey, RateLimiter};
use tonic::Code;

use crate::binary::{Place, floats, waves_image};
use crate::grpc_calls::{error_info, retry, within};
use crate::server::{request, serve, tensor};

fn limiter(per_second: f64, burst: u64) -> RateLimiter {
    RateLimiter::new(&RateSettings { per_second, burst }).unwrap()
}

fn at(number: u64) -> ClientKey {
    // Each in a network of its own.
    let address = Ipv6Addr::from((0x2001_0db8u128 << 96) | (u128::from(number) << 64));
    ClientKey::from_address(Some(SocketAddr::new(address.into(), 1)))
}

proptest! {
    /// In any interval a client gets at most its burst plus the rate times the interval. After a refusal it is accepted after the returned
    /// delay, and not before.
    #[test]
    fn nobody_gets_more_than_their_share(
        per_second in 0.5f64..50.0,
        burst in 1u64..20,
        gaps in prop::collection::vec(0.0f64..0.5, 1..120),
    ) {
        let limiter = limiter(per_second, burst);
        let begin = Instant::now();
        let (mut now, mut taken) = (0.0, Vec::new());
        for gap in gaps {
            now += gap;
            let moment = begin + Duration::from_secs_f64(now);
            match limiter.take(&at(1), moment) {
                Ok(()) => taken.push(now),
                Err(wait) => {
                    let early = wait.saturating_sub(Duration::from_millis(1));
                    prop_assert!(limiter.take(&at(1), moment + early).is_err() || early.is_zero());
                }
            }
        }
        for (first, from) in taken.iter().enumerate() {
            for (last, until) in taken.iter().enumerate().skip(first) {
                let most = burst as f64 + (until - from) * per_second + 1e-6;
                prop_assert!((last - first + 1) as f64 <= most + 1e-9, "{} in {}", last - first + 1, until - from);
            }
        }
    }

    /// Requests of many images, each counted as one and then for its images: the sustained image rate is bounded, and a request larger than
    /// the burst is accepted after an idle time, never refused forever.
    #[test]
    fn images_are_counted_and_not_requests(
        per_second in 0.5f64..50.0,
        burst in 1u64..20,
        requests in prop::collection::vec((0.0f64..2.0, 1usize..64), 1..60),
    ) {
        let limiter = limiter(per_second, burst);
        let begin = Instant::now();
        let mut now = 0.0;
        let (mut taken, mut counted, mut largest) = (0, 0, 1);
        for (gap, images) in requests {
            now += gap;
            let moment = begin + Duration::from_secs_f64(now);
            if limiter.take(&at(1), moment).is_ok() {
                counted += 1;
                if limiter.take_images(&at(1), images, moment).is_ok() {
                    counted += images - 1;
                    taken += images;
                    largest = largest.max(images);
                }
            }
        }
        let most = burst.max(largest as u64) as f64 + now * per_second + 1e-6;
        prop_assert!(counted as f64 <= most, "{counted} of {most}");
        prop_assert!(taken <= counted);
        // With its full burst again, the largest request is accepted.
        let silent = begin + Duration::from_secs_f64(now + 64.0 / per_second + burst as f64 / per_second);
        prop_assert!(limiter.take(&at(1), silent).is_ok() && limiter.take_images(&at(1), 64, silent).is_ok());
    }

    /// A client within the rate is never refused, whatever others do.
    #[test]
    fn who_keeps_to_it_is_never_refused(per_second in 0.5f64..50.0, burst in 1u64..20, others in 0usize..50) {
        let limiter = limiter(per_second, burst);
        let begin = Instant::now();
        for step in 0..50 {
            let moment = begin + Duration::from_secs_f64(f64::from(step) / per_second * 1.001);
            for _ in 0..others {
                let _ = limiter.take(&at(2), moment);
            }
            prop_assert!(limiter.take(&at(1), moment).is_ok());
        }
    }
}

#[test]
fn memory_is_bounded_however_many_come() {
    let limiter = limiter(1.0, 2);
    let now = Instant::now();
    for number in 0..200_000 {
        let _ = limiter.take(&at(number), now);
    }
    assert!(
        limiter.tracked_clients() <= 65_536,
        "{}",
        limiter.tracked_clients()
    );
    // Clients beyond the table size share one limit, and are refused rather than accepted.
    assert!(limiter.take(&at(300_000), now).is_err());
    // Authenticated clients are counted separately.
    let named = ClientKey::Named("viewer".into());
    assert!(limiter.take(&named, now).is_ok() && limiter.take(&named, now).is_ok());
    assert!(limiter.take(&named, now).is_err());
    // After an idle time there is room again.
    let later = now + Duration::from_secs(60);
    assert!(limiter.take(&at(300_001), later).is_ok());
    assert!(limiter.tracked_clients() < 10, "{}", limiter.tracked_clients());
}

#[test]
fn one_network_is_one_client() {
    let key = |text: &str| ClientKey::from_address(Some(SocketAddr::new(text.parse().unwrap(), 9)));
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_refuses_what_is_too_often_and_says_when_to_come_again() {
    let place = Place::new(1, &[0.0, 1.0]);
    let (made, _) = place.json(&["token", "viewer", "--role", "infer"]);
    place.write("tokens", made["line"].as_str().unwrap().as_bytes());
    let settings = [
        ("RATE__PER_SECOND", "0.001"),
        ("RATE__BURST", "3"),
        ("AUTH__TOKENS", "tokens"),
    ];
    let server = serve(&place, &settings, &[]);
    let mut client = server.client();
    let image = tensor(&waves_image(1, 32, 32));
    let ask = |token: Option<&str>| {
        let mut asked = tonic::Request::new(request("one", image.clone()));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            asked.metadata_mut().insert("authorization", value);
        }
        asked
    };
    for _ in 0..3 {
        within(client.segment(ask(None))).await.unwrap();
    }
    let status = within(client.segment(ask(None))).await.unwrap_err();
    assert_eq!(
        error_info(&status),
        (Code::ResourceExhausted, "RATE_LIMITED".into(), String::new())
    );
    let wait = retry(&status).expect("it says when to come again");
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1000),
        "{wait:?}"
    );
    // Health is unlimited; another client has its own limit, and a stream counts each image.
    assert_eq!(place.run(&["health", "--server", &server.url()]).code, 0);
    let token = made["token"].as_str().unwrap();
    within(client.segment(ask(Some(token)))).await.unwrap();
    let images = (0..4).map(|number| v1::SegmentStreamRequest {
        request: Some(request(&number.to_string(), tensor(&waves_image(number, 32, 32)))),
    });
    let mut stream = tonic::Request::new(tokio_stream::iter(images.collect::<Vec<_>>()));
    let value = format!("Bearer {token}").parse().unwrap();
    stream.metadata_mut().insert("authorization", value);
    let mut answers = within(client.segment_stream(stream)).await.unwrap().into_inner();
    let (mut done, mut refused) = (0, 0);
    while let Some(answer) = within(answers.message()).await.unwrap() {
        match answer.outcome.unwrap() {
            v1::segment_stream_response::Outcome::Segmentation(_) => done += 1,
            v1::segment_stream_response::Outcome::Failure(failure) => {
                assert_eq!(
                    (failure.code, &*failure.reason),
                    (Code::ResourceExhausted as u32, "RATE_LIMITED")
                );
                assert!(failure.retry_after_seconds.is_some_and(|wait| wait > 0.0));
                refused += 1;
            }
        }
    }
    assert_eq!((done, refused), (2, 2));
    assert_eq!(
        server.metric("sagate_refused_calls_total{reason=\"RATE_LIMITED\"}"),
        3.0
    );
    // Invalid tokens count against the address, whose limit is used up.
    let status = within(client.segment(ask(Some("wrong")))).await.unwrap_err();
    assert_eq!(error_info(&status).1, "RATE_LIMITED");
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_image_of_a_request_and_of_a_streams_message_counts() {
    let place = Place::new(1, &[0.0, 1.0]);
    let settings = [("RATE__PER_SECOND", "0.001"), ("RATE__BURST", "10")];
    let server = serve(&place, &settings, &["--http", "127.0.0.1:0"]);
    let images = |count: usize| {
        let pixels = (0..count).flat_map(|seed| floats(waves_image(seed, 32, 32).pixels));
        crate::oip::asks("IMAGE", "FP32", &[count as i64, 1, 32, 32], pixels.collect())
    };
    let mut client = crate::oip::client(&server);
    within(client.model_infer(images(8))).await.unwrap();
    // Two of the burst are left: one pays for the request, and its second and third image find one.
    let status = within(client.model_infer(images(3))).await.unwrap_err();
    assert_eq!(error_info(&status).1, "RATE_LIMITED");
    // A message of a stream pays the last one, and has nothing left for its second image.
    let stream = tokio_stream::iter([images(2)]);
    let mut answers = within(client.model_stream_infer(stream))
        .await
        .unwrap()
        .into_inner();
    let answer = within(answers.message()).await.unwrap().unwrap();
    assert!(answer.error_message.contains("too many requests"), "{answer:?}");
    assert_eq!(
        server.metric("sagate_refused_calls_total{reason=\"RATE_LIMITED\"}"),
        2.0
    );
    assert_eq!(server.stop().code, 0);
}
