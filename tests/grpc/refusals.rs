//! Refused requests over real gRPC, each followed by a valid image with an unchanged result.
//!
//! What would break: bad input that is answered, crashes the service or is refused without saying which field was wrong; a caller that
//! disconnects and leaves its queue permit taken; a shutdown that loses accepted images.

use std::time::Duration;

use sagate::proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::bad_files::{
    garbage, not_finite, of_no_size, truncated, wrong_channels, wrong_length, wrong_type,
};
use crate::binary::{Place, waves_image};
use crate::grpc_calls::{error_info, status, until, wait_until_idle};
use crate::server::{Server, file, request, serve, tensor};

fn place() -> Place {
    Place::new(1, &[0.1, 0.9])
}

async fn good(server: &Server) -> f64 {
    let answer = server
        .client()
        .segment(request("good", tensor(&waves_image(9, 40, 40))))
        .await;
    answer.unwrap().into_inner().segmentation.unwrap().mu
}

#[track_caller]
fn assert_field(status: &Status, code: Code, field: &str) {
    let (found_code, _, found_field) = error_info(status);
    assert_eq!((found_code, &*found_field), (code, field), "{status:?}");
}

#[tokio::test]
async fn files_that_the_command_line_refuses() {
    let place = place();
    let server = Server::start(&place, &[]);
    let before = good(&server).await;
    let lists = [
        of_no_size(),
        not_finite(),
        wrong_type(),
        wrong_length(),
        truncated(),
        wrong_channels(),
    ];
    for bad in lists.into_iter().flatten() {
        let mut image = file(bad.bytes.clone());
        if let Some(v1::image::Source::File(file)) = &mut image.source {
            file.slice = bad.name.contains(".nii").then_some(0);
        }
        let status = server.client().segment(request("bad", image)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", bad.name);
        assert!(status.get_error_details().bad_request().is_some(), "{}", bad.name);
    }
    for seed in 0..20 {
        let status = server
            .client()
            .segment(request("bad", file(garbage(seed))))
            .await
            .unwrap_err();
        assert_field(&status, Code::InvalidArgument, "image.file");
    }
    assert_eq!(good(&server).await, before);
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn fields_that_are_wrong() {
    let place = place();
    let server = Server::start(&place, &[]);
    let before = good(&server).await;
    let with = |change: &dyn Fn(&mut v1::SegmentRequest)| {
        let mut asked = request("id", tensor(&waves_image(1, 32, 32)));
        change(&mut asked);
        asked
    };
    let tensor_of = |asked: &mut v1::SegmentRequest, change: &dyn Fn(&mut v1::Tensor)| {
        if let Some(v1::image::Source::Tensor(tensor)) = &mut asked.image.as_mut().unwrap().source {
            change(tensor);
        }
    };
    use v1::segmentation_options::Gate;
    let cases: Vec<(v1::SegmentRequest, &str)> = vec![
        (v1::SegmentRequest::default(), "image"),
        (with(&|it| it.image = Some(v1::Image { source: None })), "image"),
        (with(&|it| it.request_id = "Jane Doe".into()), "request_id"),
        (with(&|it| it.request_id = "x".repeat(129)), "request_id"),
        (
            with(&|it| it.options.as_mut().unwrap().mask_format = 77),
            "options.mask_format",
        ),
        (
            with(&|it| it.options.as_mut().unwrap().gate = Some(Gate::Coverage(1.5))),
            "options.coverage",
        ),
        (
            with(&|it| it.options.as_mut().unwrap().gate = Some(Gate::Threshold(f64::NAN))),
            "options.threshold",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.data_type = 77)),
            "image.tensor.data_type",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.data_type = 0)),
            "image.tensor.data_type",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.shape = vec![32, 33])),
            "image.tensor",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.shape = vec![u32::MAX; 3])),
            "image.tensor",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.shape = vec![0, 32])),
            "image.tensor",
        ),
        (
            with(&|it| tensor_of(it, &|tensor| tensor.spacing = vec![1.0, -1.0])),
            "image.tensor.spacing",
        ),
    ];
    for (asked, field) in cases {
        let status = server.client().segment(asked).await.unwrap_err();
        assert_field(&status, Code::InvalidArgument, field);
        assert!(!status.message().contains("Jane"), "{status:?}");
    }
    let mut unknown = request("id", tensor(&waves_image(1, 32, 32)));
    unknown.options.as_mut().unwrap().model = Some(v1::ModelReference {
        name: "huge".into(),
        version: 0,
    });
    let status = server.client().segment(unknown).await.unwrap_err();
    assert_field(&status, Code::NotFound, "");
    assert!(status.message().contains("tiny@1"), "{status:?}");
    assert_eq!(good(&server).await, before);
}

#[tokio::test]
async fn messages_above_the_limit() {
    let place = place();
    let server = serve(&place, &[("SERVER__MAX_MESSAGE_BYTES", "20000")], &[]);
    let status = server
        .client()
        .segment(request("big", tensor(&waves_image(1, 128, 128))))
        .await
        .unwrap_err();
    assert_field(&status, Code::ResourceExhausted, "");
    assert!(
        status.message().contains("server.max_message_bytes"),
        "{status:?}"
    );
    good(&server).await;
}

#[tokio::test]
async fn callers_that_go_away_leave_nothing() {
    let place = place();
    let server = Server::start(&place, &[]);
    let image = tensor(&waves_image(2, 256, 256));
    for wait in 0..40u64 {
        let mut client = server.client();
        let asked = v1::InterpretRequest {
            request_id: "gone".into(),
            image: Some(image.clone()),
            ..Default::default()
        };
        let work = async {
            let mut parts = client.interpret(asked).await?.into_inner();
            while parts.message().await?.is_some() {}
            Ok::<_, Status>(())
        };
        // Whether it is done by then does not matter: what matters is what is left behind.
        let _ = tokio::time::timeout(Duration::from_millis(3 * wait), work).await;
    }
    wait_until_idle(&mut server.client()).await;
    good(&server).await;
}

#[tokio::test]
async fn what_was_taken_is_answered_at_the_end() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut work = tokio::task::JoinSet::new();
    for index in 0..30 {
        let mut client = server.client();
        let image = tensor(&waves_image(index, 192, 192));
        work.spawn(async move { client.segment(request("last", image)).await });
    }
    // All are in once none is on its way any more: the queue says so.
    until("not all images came in", async || {
        let model = status(&mut server.client()).await.models.remove(0);
        model.accepted + model.rejected + model.queue_entries >= 30
    })
    .await;
    server.signal("TERM");
    while let Some(answer) = work.join_next().await {
        answer.unwrap().unwrap();
    }
    let mut late = server.client();
    let stopped = server.ended();
    assert_eq!(stopped.code, 0, "{stopped:?}");
    let status = late
        .segment(request("late", tensor(&waves_image(1, 32, 32))))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
