//! What tests of a server under fire share: images whose answer is known, and the words of an error.

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

/// What takes longer hangs. Far above what anything takes, since machines are busy.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A client of the service.
pub type Client = QualityControlClient<Channel>;

/// An image, and what the library says of it.
#[derive(Clone)]
pub struct Known {
    pub image: v1::Image,
    pub mu: f64,
    pub bits: Vec<Vec<u8>>,
    pub decision: v1::Decision,
}

impl Known {
    /// Waves, judged alone by the library with the place's model.
    pub fn new(place: &Place, seed: usize, height: usize, width: usize) -> Known {
        Known::by(&place.pass(), &waves_image(seed, height, width))
    }

    /// An image, judged alone by the library.
    pub fn by(pass: &sagate_core::executor::ModelExecutor, image: &Image) -> Known {
        let expected: Segmentation = super::binary::segment(pass, image);
        let classes = expected.probability.dim().0 as u8;
        let accept = pass.decide(&expected, &Policy::default()).accept;
        Known {
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

    /// Whether an answer is the library's.
    #[track_caller]
    pub fn assert_is(&self, answer: &v1::Segmentation) {
        assert_eq!((answer.mu, answer.decision()), (self.mu, self.decision));
        assert_eq!(
            answer.mask.as_ref().expect("the mask that was asked for").data,
            self.bits
        );
    }

    /// Asks for it, and expects the library's answer.
    pub async fn ask(&self, client: &mut Client) {
        let answer = within(client.segment(self.request("good"))).await;
        let answer = answer.expect("a good image is answered").into_inner();
        self.assert_is(&answer.segmentation.unwrap());
    }
}

/// What is done in time.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(CALL_TIMEOUT, work)
        .await
        .expect("it hangs: nothing within the time that anything takes")
}

/// What a program is told of an error: code, reason, and the field that was wrong.
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

/// A refusal of this code, reason and field, in a message that fits into a header.
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

/// How an interpretation is refused: at once, as a stream that has begun is not asked for elsewhere.
pub async fn refused_interpretation(client: &mut Client, asked: v1::InterpretRequest) -> Status {
    let parts = within(client.interpret(asked)).await;
    parts.expect_err("it is refused before its stream begins")
}

/// The time after which an error says to try again: the same in its details and in the headers that others look at.
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

/// How the server is doing.
pub async fn status(client: &mut Client) -> v1::GetStatusResponse {
    within(client.get_status(v1::GetStatusRequest {}))
        .await
        .expect("GetStatus is answered")
        .into_inner()
}

/// Waits until no place is taken and no call is in work.
pub async fn quiet(client: &mut Client) {
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

/// Waits until a server has judged images and judges none for a second, since nobody reads the answers; how many it has judged.
pub async fn stands_still(client: &mut Client) -> u64 {
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

/// Waits until something is so.
pub async fn until(otherwise: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < CALL_TIMEOUT, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
