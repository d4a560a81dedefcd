//! Shutdown of a server: accepted calls are answered, new ones refused, and health watchers notified.
//!
//! What would break: an accepted image without an answer, a lost request, a watcher or an idle connection that
//! keeps the server alive, an exit code that does not say how it ended.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use std::time::Duration;

use sagate::proto::v1;
use tokio::task::JoinSet;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use v1::segment_stream_response::Outcome;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{ExpectedImage, status, until, wait_until_stalled, within};
use crate::server::{Server, request, serve, tensor};

fn place() -> Place {
    Place::new(1, &[0.1, 0.2])
}

/// Images that take so long that most of them wait, one at a time.
fn slow(place: &Place) -> Server {
    serve(place, &[("ENGINE__MAX_BATCH", "1")], &[])
}

/// Sends images and comes back once all of them are taken, with those answered already counted in.
async fn busy(server: &Server, images: usize, known: &ExpectedImage) -> JoinSet<Result<(), Status>> {
    let mut work = JoinSet::new();
    for _ in 0..images {
        let (mut client, known) = (server.client(), known.clone());
        work.spawn(async move {
            let answer = within(client.segment(known.request("last"))).await?;
            known.assert_is(&answer.into_inner().segmentation.unwrap());
            Ok(())
        });
    }
    let mut client = server.client();
    until("not every image is taken", async || {
        let model = status(&mut client).await.models.remove(0);
        model.accepted + model.rejected + model.queue_entries >= images as u64
    })
    .await;
    work
}

fn watch(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn what_was_taken_is_answered() {
    for signal in ["TERM", "INT"] {
        let place = place();
        let known = ExpectedImage::new(&place, 9, 256, 256);
        let server = slow(&place);
        let mut watched = within(HealthClient::new(server.channel()).watch(watch("")))
            .await
            .unwrap()
            .into_inner();
        let first = within(watched.message()).await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
        // An open connection, on which one call was made.
        let mut old = server.client();
        status(&mut old).await;
        // A stream whose caller says nothing more, and does not end it either.
        let (held, images) = tokio::sync::mpsc::channel(1);
        let mut streaming = server.client();
        let images = tokio_stream::wrappers::ReceiverStream::new(images);
        let mut idle = within(streaming.segment_stream(images))
            .await
            .unwrap()
            .into_inner();

        let work = busy(&server, 30, &known).await;
        let queued = status(&mut server.client()).await.models[0].queue_entries;
        server.signal(signal);
        let update = within(watched.message()).await.unwrap().unwrap();
        assert_eq!(update.status(), ServingStatus::NotServing);
        for mut client in [old, server.client()] {
            let refused = within(client.segment(known.request("late"))).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        }
        let ended = within(idle.message()).await.unwrap_err();
        assert_eq!(
            crate::grpc_calls::error_info(&ended),
            (Code::Unavailable, "SHUTTING_DOWN".into(), "".into())
        );
        let answered = within(work.join_all()).await;
        println!("SIG{signal}: {queued} of {} still in the queue", answered.len());
        answered
            .into_iter()
            .for_each(|it| it.expect("what was taken is answered"));
        let stopped = server.ended();
        assert!(
            stopped.code == 0 && !stopped.log.contains("panicked"),
            "{stopped:?}"
        );
        drop((held, watched));
    }
}

/// A call that never ends: a stream of images whose answers, of 1 MiB each, nobody reads. However fast the machine, it is in work.
async fn endless(server: &Server) -> Streaming<v1::SegmentStreamResponse> {
    let mut asked = request("unread", tensor(&waves_image(3, 512, 512)));
    asked.options.as_mut().unwrap().probabilities = true;
    let images = tokio_stream::iter(std::iter::repeat(v1::SegmentStreamRequest {
        request: Some(asked),
    }));
    let answers = within(server.client().segment_stream(images)).await.unwrap();
    wait_until_stalled(&mut server.client()).await;
    answers.into_inner()
}

#[tokio::test]
async fn who_does_not_wait_says_so() {
    let place = place();
    for (case, settings, signals, said) in [
        ("a second signal", [].as_slice(), 2, ["a second signal", ""]),
        (
            "more work than time",
            &[("SERVER__SHUTDOWN_SECONDS", "1")],
            1,
            ["1 calls were still in flight", "server.shutdown_seconds = 1"],
        ),
    ] {
        let server = serve(&place, settings, &[]);
        let mut unread = endless(&server).await;
        server.signal("TERM");
        for _ in 1..signals {
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.signal("TERM");
        }
        let stopped = server.ended();
        assert_eq!(stopped.code, 1, "{case}: {stopped:?}");
        assert!(
            said.iter().all(|said| stopped.log.contains(said)),
            "{case}: {stopped:?}"
        );
        // Whoever was cut off knows: after the answers that had left comes an error, never the end of a whole stream.
        let end = loop {
            match within(unread.message()).await {
                Ok(Some(answer)) => {
                    assert!(matches!(answer.outcome, Some(Outcome::Segmentation(_))), "{case}");
                }
                end => break end,
            }
        };
        assert!(end.is_err(), "{case}: {end:?}");
    }
}

#[tokio::test]
async fn health_and_reflection() {
    let place = place();
    let server = serve(&place, &[], &[]);
    let mut health = HealthClient::new(server.channel());
    for service in [
        "",
        "sagate.v1.QualityControl",
        "inference.GRPCInferenceService",
        "tiny",
        "tiny@1",
    ] {
        let answer = within(health.check(watch(service))).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "`{service}`");
    }
    for service in [
        "tiny@2",
        "sagate.v1.ModelAdminControl",
        "sagate.v1.Nothing",
        "Jane Doe",
    ] {
        let unknown = within(health.check(watch(service))).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound, "`{service}`: {unknown:?}");
    }
    let mut reflection = ServerReflectionClient::new(server.channel());
    let asked = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("sagate.v1.QualityControl".into()),
        MessageRequest::FileContainingSymbol("grpc.health.v1.Health".into()),
    ]
    .map(|message| tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    });
    let mut answers = within(reflection.server_reflection_info(tokio_stream::iter(asked)))
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        let answer = within(answers.message()).await.unwrap().unwrap();
        answer.message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(services) = next().await else {
        panic!("no list of services")
    };
    let mut names: Vec<_> = services.service.into_iter().map(|it| it.name).collect();
    names.sort();
    assert!(names.contains(&"sagate.v1.QualityControl".into()), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health".into()), "{names:?}");
    for _ in 0..2 {
        let MessageResponse::FileDescriptorResponse(files) = next().await else {
            panic!("no descriptors")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "{stopped:?}");
}
