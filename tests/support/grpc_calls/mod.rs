//! Shared helpers for gRPC tests: images with their expected results, calls with a timeout, and error details.

#![allow(dead_code, reason = "every test file uses a part")]

use std::time::{Duration, Instant};

use sagate::proto::v1;
use sagate::proto::v1::quality_control_client::QualityControlClient;
use sagate_core::executor::Segmentation;
use sagate_core::gate::Policy;
use sagate_core::imaging::{Image, mask};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::binary::{Place, waves_image};
use super::server::{request, tensor};

/// Timeout of a call: far above any normal duration, even on a busy machine.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A client of the service.
pub type Client = QualityControlClient<Channel>;

/// An image, and the library's result for it.
#[derive(Clone)]
pub struct ExpectedImage {
    pub image: v1::Image,
    pub mu: f64,
    pub bits: Vec<Vec<u8>>,
    pub decision: v1::Decision,
}

impl ExpectedImage {
    /// A wave image, segmented by the library with the place's model.
    pub fn new(place: &Place, seed: usize, height: usize, width: usize) -> ExpectedImage {
        ExpectedImage::by(&place.pass(), &waves_image(seed, height, width))
    }

    /// An image, segmented by the library.
    pub fn by(pass: &sagate_core::executor::ModelExecutor, image: &Image) -> ExpectedImage {
        let expected: Segmentation = super::binary::segment(pass, image);
        let classes = expected.probability.dim().0 as u8;
        let accept = pass.decide(&expected, &Policy::default()).accept;
        ExpectedImage {
            image: tensor(image),
            mu: expected.mean_sa.mu,
            bits: (1..=classes)
                .map(|class| mask::pack(expected.labels.view(), class))
                .collect(),
            decision: if accept {
                v1::Decision::Accept
            } else {
                v1::Decision::Reject
            },
        }
    }

    /// A request for it, with the mask as bits.
    pub fn request(&self, id: &str) -> v1::SegmentRequest {
        request(id, self.image.clone())
    }

    /// Asserts that an answer equals the library's result.
    #[track_caller]
    pub fn assert_is(&self, answer: &v1::Segmentation) {
        assert_eq!((answer.mu, answer.decision()), (self.mu, self.decision));
        assert_eq!(
            answer.mask.as_ref().expect("the mask that was asked for").data,
            self.bits
        );
    }

    /// Segments it over gRPC, and asserts the library's result.
    pub async fn ask(&self, client: &mut Client) {
        let answer = within(client.segment(self.request("good"))).await;
        let answer = answer.expect("a good image is answered").into_inner();
        self.assert_is(&answer.segmentation.unwrap());
    }
}

/// Runs work with a timeout.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(CALL_TIMEOUT, work)
        .await
        .expect("it hangs: nothing within the time that anything takes")
}

/// Code, reason and field of an error.
#[track_caller]
pub fn error_info(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, sagate::grpc::DOMAIN, "{status:?}");
    let field = details.bad_request().map(|it| {
        assert_eq!(it.field_violations.len(), 1, "{status:?}");
        it.field_violations[0].field.clone()
    });
    (status.code(), info.reason.clone(), field.unwrap_or_default())
}

/// Asserts a refusal with this code, reason and field, and a message that fits into a header.
#[track_caller]
pub fn assert_refused(status: &Status, expected: (Code, &str, &str), case: &str) {
    let (code, reason, field) = error_info(status);
    assert_eq!((code, &*reason, &*field), expected, "{case}: {status:?}");
    assert!(
        status.message().len() < 3000,
        "{case}: {} bytes of message",
        status.message().len()
    );
}

/// The status of a refused interpretation: returned without a stream, so that proxies can retry.
pub async fn refused_interpretation(client: &mut Client, asked: v1::InterpretRequest) -> Status {
    let parts = within(client.interpret(asked)).await;
    parts.expect_err("it is refused before its stream begins")
}

/// The retry delay of an error, asserted to be equal in details and headers.
pub fn retry(status: &Status) -> Option<Duration> {
    let delay = status.get_error_details().retry_info()?.retry_delay?;
    let header = |name| {
        status
            .metadata()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let seconds = delay.as_secs_f64();
    assert_eq!(
        header("grpc-retry-pushback-ms"),
        Some((seconds * 1e3).ceil().to_string())
    );
    let whole = (seconds >= 1.0).then(|| seconds.ceil().to_string());
    assert_eq!(header("retry-after"), whole);
    Some(delay)
}

/// The server's status.
pub async fn status(client: &mut Client) -> v1::GetStatusResponse {
    within(client.get_status(v1::GetStatusRequest {}))
        .await
        .expect("GetStatus is answered")
        .into_inner()
}

/// Waits until no queue permit is taken and no call is in flight.
pub async fn wait_until_idle(client: &mut Client) {
    until("a place or a call is left behind", async || {
        let status = status(client).await;
        let taken: u64 = status
            .models
            .iter()
            .map(|it| it.queue_entries + it.queue_bytes)
            .sum();
        taken + status.requests_in_flight == 0
    })
    .await;
}

/// Waits until a server makes no progress for a second, since nobody reads its answers; returns the number of decisions.
pub async fn wait_until_stalled(client: &mut Client) -> u64 {
    let mut before = u64::MAX;
    until("the server goes on for a caller that does not read", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let model = status(client).await.models.remove(0);
        let judged = model.accepted + model.rejected;
        let still = judged == before && judged > 0;
        before = judged;
        still
    })
    .await;
    before
}

/// Waits until a condition holds.
pub async fn until(otherwise: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < CALL_TIMEOUT, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
