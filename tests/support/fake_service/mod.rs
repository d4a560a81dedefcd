//! A scripted server of the protocol: slow, refusing, stalling or inconsistent. Its results are made up.

#![allow(dead_code, reason = "every test file uses a part")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sagate::proto::v1;
use sagate::proto::v1::quality_control_server::{QualityControl, QualityControlServer};
use tokio::net::TcpListener;
use tokio_stream::Empty;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// Its behaviour per segmentation.
#[derive(Clone, Copy, Default)]
pub struct Behaviour {
    /// Delay before an answer.
    pub takes: Duration,
    /// Start and end of a stall, from the first segmentation on; requests during it are answered after it.
    pub stalls: Option<[Duration; 2]>,
    /// Every n-th is refused with RESOURCE_EXHAUSTED.
    pub refuses_every: Option<u64>,
    /// Each answer has another mu.
    pub fickle: bool,
}

/// A fake server that runs until the test ends.
pub struct Fake {
    pub url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    segmentations: AtomicU64,
    first: Mutex<Option<Instant>>,
    timeouts: AtomicU64,
}

impl Fake {
    pub fn start(behaviour: Behaviour) -> Fake {
        let seen = Arc::<Seen>::default();
        let service = Service {
            behaviour,
            seen: seen.clone(),
        };
        let (address, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", listener.local_addr().unwrap());
                address.send(url).unwrap();
                Server::builder()
                    .add_service(QualityControlServer::new(service))
                    .serve_with_incoming(TcpListenerStream::new(listener))
                    .await
                    .unwrap();
            });
        });
        Fake {
            url: url.recv().unwrap(),
            seen,
        }
    }

    /// Received segmentations.
    pub fn segmentations(&self) -> u64 {
        self.seen.segmentations.load(Relaxed)
    }

    /// Received segmentations with a deadline.
    pub fn timeouts(&self) -> u64 {
        self.seen.timeouts.load(Relaxed)
    }
}

struct Service {
    behaviour: Behaviour,
    seen: Arc<Seen>,
}

fn model() -> v1::ModelVersion {
    v1::ModelVersion {
        name: "fake".into(),
        version: 1,
        content_hash: "0".repeat(64),
    }
}

#[tonic::async_trait]
impl QualityControl for Service {
    async fn segment(
        &self,
        request: Request<v1::SegmentRequest>,
    ) -> Result<Response<v1::SegmentResponse>, Status> {
        let number = self.seen.segmentations.fetch_add(1, Relaxed);
        let timed = request.metadata().contains_key("grpc-timeout");
        self.seen.timeouts.fetch_add(u64::from(timed), Relaxed);
        let begun = *self.seen.first.lock().unwrap().get_or_insert_with(Instant::now);
        if let Some(every) = self.behaviour.refuses_every
            && number % every == every - 1
        {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
            return Err(Status::with_error_details(
                Code::ResourceExhausted,
                "no room",
                details,
            ));
        }
        tokio::time::sleep(self.behaviour.takes).await;
        if let Some([from, to]) = self.behaviour.stalls
            && (from..to).contains(&begun.elapsed())
        {
            tokio::time::sleep(to.saturating_sub(begun.elapsed())).await;
        }
        let Some(v1::image::Source::Tensor(tensor)) = request.into_inner().image.and_then(|it| it.source)
        else {
            return Err(Status::invalid_argument("no tensor"));
        };
        let [.., height, width] = tensor.shape[..] else {
            return Err(Status::invalid_argument("no image"));
        };
        let bits = (height as usize * width as usize).div_ceil(8);
        let mu = if self.behaviour.fickle {
            1.0 / (number + 2) as f64
        } else {
            0.75
        };
        Ok(Response::new(v1::SegmentResponse {
            request_id: "fake".into(),
            segmentation: Some(v1::Segmentation {
                decision: v1::Decision::Accept.into(),
                mu,
                object_fraction: 0.5,
                mask: Some(v1::Mask {
                    format: v1::MaskFormat::Bits.into(),
                    height,
                    width,
                    data: vec![vec![0x55u8; bits].into()],
                }),
                model: Some(model()),
                ..Default::default()
            }),
        }))
    }

    type SegmentStreamStream = Empty<Result<v1::SegmentStreamResponse, Status>>;

    async fn segment_stream(
        &self,
        _: Request<Streaming<v1::SegmentStreamRequest>>,
    ) -> Result<Response<Self::SegmentStreamStream>, Status> {
        Err(Status::unimplemented("a fake"))
    }

    type InterpretStream = Empty<Result<v1::InterpretResponse, Status>>;

    async fn interpret(
        &self,
        _: Request<v1::InterpretRequest>,
    ) -> Result<Response<Self::InterpretStream>, Status> {
        Err(Status::unimplemented("a fake"))
    }

    async fn list_models(
        &self,
        _: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        Err(Status::unimplemented("a fake"))
    }

    async fn get_model(
        &self,
        _: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        Ok(Response::new(v1::GetModelResponse {
            summary: Some(v1::ModelSummary {
                model: Some(model()),
                ..Default::default()
            }),
            spec: Some(v1::ModelSpec {
                channels: vec!["any".into()],
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(v1::GetStatusResponse {
            server_version: "fake".into(),
            ..Default::default()
        }))
    }
}
