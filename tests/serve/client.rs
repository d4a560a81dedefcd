//! The library's client against a scripted server.
//!
//! What would break: the client gives up on a retryable error, or retries a permanent one; an error hides what the
//! server said; an invalid answer is accepted, above all as ACCEPT.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagate::client::{Client, ClientError, InterpretOptions, Part, SegmentOptions};
use sagate::engine::Priority;
use sagate::proto::v1;
use sagate::proto::v1::quality_control_server::{QualityControl, QualityControlServer};
use sagate_core::executor::ModelId;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::binary::waves_image;

type Stream<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

/// What the server answers, and how often it refuses first.
#[derive(Default)]
struct Script {
    refusals: usize,
    refusal: Option<Status>,
    segmentation: v1::Segmentation,
    parts: Vec<v1::InterpretResponse>,
    asked: AtomicUsize,
    priorities: Mutex<Vec<v1::Priority>>,
}

#[derive(Clone)]
struct Fake(Arc<Script>);

#[tonic::async_trait]
impl QualityControl for Fake {
    async fn segment(
        &self,
        request: Request<v1::SegmentRequest>,
    ) -> Result<Response<v1::SegmentResponse>, Status> {
        let options = request.into_inner().options.unwrap();
        self.0.priorities.lock().unwrap().push(options.priority());
        if self.0.asked.fetch_add(1, Ordering::Relaxed) < self.0.refusals {
            return Err(self.0.refusal.clone().unwrap());
        }
        Ok(Response::new(v1::SegmentResponse {
            request_id: "x".into(),
            segmentation: Some(self.0.segmentation.clone()),
        }))
    }

    type SegmentStreamStream = Stream<v1::SegmentStreamResponse>;

    async fn segment_stream(
        &self,
        _: Request<Streaming<v1::SegmentStreamRequest>>,
    ) -> Result<Response<Self::SegmentStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    type InterpretStream = Stream<v1::InterpretResponse>;

    async fn interpret(
        &self,
        _: Request<v1::InterpretRequest>,
    ) -> Result<Response<Self::InterpretStream>, Status> {
        // A refusal comes in the stream, as the first thing in it.
        let parts = match self.0.asked.fetch_add(1, Ordering::Relaxed) < self.0.refusals {
            true => vec![Err(self.0.refusal.clone().unwrap())],
            false => self.0.parts.iter().cloned().map(Ok).collect(),
        };
        Ok(Response::new(tokio_stream::iter(parts)))
    }

    async fn list_models(
        &self,
        _: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_model(
        &self,
        _: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn start(script: Script) -> (Client, Arc<Script>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let script = Arc::new(script);
    let service = QualityControlServer::new(Fake(script.clone()));
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let client = Client::connect(&format!("http://{address}").parse().unwrap())
        .await
        .unwrap();
    (client, script)
}

fn ask() -> SegmentOptions {
    let model = ModelId {
        name: "tiny".into(),
        version: 1,
    };
    SegmentOptions {
        model,
        gate: None,
        priority: Priority::Routine,
    }
}

fn look() -> InterpretOptions {
    InterpretOptions {
        layers: vec![18],
        units_of: 18,
        class: 1,
        units: 0,
    }
}

/// An accepted image of 2 x 5 pixels, the first and the last of them object.
fn accepted() -> v1::Segmentation {
    v1::Segmentation {
        decision: v1::Decision::Accept.into(),
        mu: 0.5,
        object_fraction: 0.2,
        soft_dice_confidence: 0.7,
        object_confidence: 0.8,
        quality_score: Some(0.6),
        estimated_dice: Some(v1::EstimatedDice {
            value: 0.9,
            low: 0.8,
            high: 0.95,
        }),
        mask: Some(v1::Mask {
            format: v1::MaskFormat::Bits.into(),
            height: 2,
            width: 5,
            data: vec![vec![0b1000_0000, 0b0100_0000].into()],
        }),
        ..Default::default()
    }
}

fn busy(code: Code, retry: Option<Duration>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(retry);
    Status::with_error_details(code, "the queue is full", details)
}

#[tokio::test]
async fn how_urgent_an_image_is_comes_to_the_server() {
    let (client, script) = start(Script {
        segmentation: accepted(),
        ..Script::default()
    })
    .await;
    for priority in [Priority::Urgent, Priority::Routine, Priority::Batch] {
        let ask = SegmentOptions { priority, ..ask() };
        client.segment(&waves_image(1, 2, 5), &ask).await.unwrap();
    }
    let seen = script.priorities.lock().unwrap().clone();
    assert_eq!(
        seen,
        [v1::Priority::Urgent, v1::Priority::Routine, v1::Priority::Batch]
    );
}

#[tokio::test]
async fn it_asks_again_where_the_server_says_so() {
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let (client, script) = start(Script {
            refusals: 3,
            refusal: Some(busy(code, Some(Duration::from_millis(5)))),
            segmentation: accepted(),
            ..Default::default()
        })
        .await;
        let answer = client.segment(&waves_image(1, 2, 5), &ask()).await.unwrap();
        assert!(answer.decision.accept);
        assert_eq!(answer.labels, ndarray::array![[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]);
        let confidence = answer.confidence;
        assert_eq!((confidence.soft_dice, confidence.object), (0.7, 0.8));
        let score = answer.score.unwrap();
        let promised = score.estimated_dice.unwrap();
        assert_eq!((score.value, promised.value), (0.6, 0.9));
        assert_eq!((promised.low, promised.high), (0.8, 0.95));
        assert_eq!(script.asked.load(Ordering::Relaxed), 4);

        let part = v1::interpret_response::Part::Segmentation(accepted());
        let (client, script) = start(Script {
            refusals: 3,
            refusal: Some(busy(code, Some(Duration::from_millis(5)))),
            parts: vec![v1::InterpretResponse { part: Some(part) }],
            ..Default::default()
        })
        .await;
        let mut parts = client
            .interpret(&waves_image(1, 2, 5), &ask(), &look())
            .await
            .unwrap();
        assert!(matches!(parts.next().await.unwrap(), Part::Answer(_)));
        assert_eq!(script.asked.load(Ordering::Relaxed), 4);
    }
}

#[tokio::test]
async fn its_patience_ends() {
    let soon = Some(Duration::from_millis(5));
    for (refusal, asked) in [
        (busy(Code::ResourceExhausted, soon), 6),
        (busy(Code::ResourceExhausted, Some(Duration::from_secs(3600))), 1),
        (busy(Code::ResourceExhausted, None), 1),
        (busy(Code::Unavailable, None), 1),
        (busy(Code::Internal, soon), 1),
    ] {
        let (client, script) = start(Script {
            refusals: usize::MAX,
            refusal: Some(refusal.clone()),
            ..Default::default()
        })
        .await;
        let error = client.segment(&waves_image(1, 4, 4), &ask()).await.unwrap_err();
        assert_eq!(script.asked.load(Ordering::Relaxed), asked, "{refusal:?}");
        assert!(
            matches!(&error, ClientError::Refused(it) if it.code == refusal.code()),
            "{error:?}"
        );
        assert!(error.to_string().contains("the queue is full"), "{error}");
    }
}

#[tokio::test]
async fn errors_are_sentences() {
    let mut field = ErrorDetails::new();
    field.add_bad_request_violation("options.coverage", "too much");
    for (refusal, sentence) in [
        (
            Status::with_error_details(Code::InvalidArgument, "coverage is 2", field.clone()),
            "the server refuses the request (options.coverage): coverage is 2",
        ),
        (
            Status::with_error_details(Code::InvalidArgument, "options.coverage: it is 2", field),
            "the server refuses the request: options.coverage: it is 2",
        ),
        (
            busy(Code::ResourceExhausted, Some(Duration::from_secs(90))),
            "the server has no room for the request: the queue is full; try again in 90 s",
        ),
        (
            Status::not_found("there is no model `x`"),
            "the server does not have what was asked for: there is no model `x`",
        ),
        (Status::internal(""), "the server failed"),
    ] {
        let (client, _) = start(Script {
            refusals: usize::MAX,
            refusal: Some(refusal),
            ..Default::default()
        })
        .await;
        let error = client.segment(&waves_image(1, 4, 4), &ask()).await.unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
    let (client, _) = start(Script::default()).await;
    let error = client.model(None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server does not know the request: not here"
    );
}

/// Nothing but a plain ACCEPT without reasons is an acceptance.
#[tokio::test]
async fn senseless_answers_are_refused() {
    let reject = v1::Decision::Reject.into();
    let below = vec![v1::Reason::BelowThreshold.into()];
    let mask = |mask: v1::Mask| v1::Segmentation {
        mask: Some(mask),
        ..accepted()
    };
    let whole = accepted().mask.unwrap();
    let cases = [
        (
            v1::Segmentation {
                decision: 0,
                ..accepted()
            },
            "segmentation.decision",
        ),
        (
            v1::Segmentation {
                decision: 77,
                ..accepted()
            },
            "segmentation.decision",
        ),
        (
            v1::Segmentation {
                decision: reject,
                ..accepted()
            },
            "segmentation.decision",
        ),
        (
            v1::Segmentation {
                reasons: below,
                ..accepted()
            },
            "segmentation.decision",
        ),
        (
            v1::Segmentation {
                reasons: vec![99],
                ..accepted()
            },
            "segmentation.reasons",
        ),
        (
            v1::Segmentation {
                mask: None,
                ..accepted()
            },
            "segmentation.mask",
        ),
        (
            mask(v1::Mask {
                data: vec![],
                ..whole.clone()
            }),
            "segmentation.mask.data",
        ),
        (
            mask(v1::Mask {
                height: 3,
                ..whole.clone()
            }),
            "segmentation.mask",
        ),
        (
            mask(v1::Mask {
                data: vec![vec![0; 3].into()],
                ..whole.clone()
            }),
            "segmentation.mask.data",
        ),
        (
            mask(v1::Mask {
                format: v1::MaskFormat::Png.into(),
                ..whole
            }),
            "segmentation.mask",
        ),
    ];
    for (segmentation, field) in cases {
        let script = Script {
            segmentation: segmentation.clone(),
            ..Default::default()
        };
        let (client, _) = start(script).await;
        let error = client.segment(&waves_image(1, 2, 5), &ask()).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Answer { field: found, .. } if found == field),
            "{segmentation:?}: {error}"
        );
    }
}

#[tokio::test]
async fn an_interpretation_that_breaks_off_is_no_interpretation() {
    use v1::interpret_response::Part as PbPart;
    let part = |part| v1::InterpretResponse { part: Some(part) };
    let sam = |bytes: usize| v1::Tensor {
        data_type: v1::DataType::Uint8.into(),
        shape: vec![2, 5],
        data: vec![1; bytes].into(),
        spacing: vec![],
    };
    let layer = |layer, bytes| {
        part(PbPart::Layer(v1::LayerSam {
            layer,
            sa_score: 0.25,
            labels: Some(sam(bytes)),
            ..Default::default()
        }))
    };
    let script = |last: Vec<v1::InterpretResponse>| Script {
        parts: [vec![part(PbPart::Segmentation(accepted())), layer(18, 10)], last].concat(),
        ..Default::default()
    };
    for (last, field) in [
        (vec![], "part"),
        (vec![v1::InterpretResponse { part: None }], "part"),
        (vec![layer(19, 10)], "layer.layer"),
        (vec![layer(3, 9)], "layer.labels"),
    ] {
        let (client, _) = start(script(last)).await;
        let mut parts = client
            .interpret(&waves_image(1, 2, 5), &ask(), &look())
            .await
            .unwrap();
        assert!(matches!(parts.next().await.unwrap(), Part::Answer(_)));
        assert!(matches!(parts.next().await.unwrap(), Part::Layer(seen) if seen.score == 0.25));
        let error = parts.next().await.unwrap_err();
        assert!(
            matches!(error, ClientError::Answer { field: found, .. } if found == field),
            "{error}"
        );
    }
}

/// A server lost during a request is a connection error that names the server.
#[tokio::test]
async fn a_lost_connection_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop((stream, listener));
    });
    let error = match Client::connect(&url.parse().unwrap()).await {
        Ok(client) => client.segment(&waves_image(1, 4, 4), &ask()).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains(&url), "{error}");
    assert!(!matches!(error, ClientError::Refused(_)), "{error}");
}
