//! Requests that are sent once without retries, for load tests.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use prost::Message;
use sagate_core::gate::Decision;
use sagate_core::imaging::Image;
use tokio::time::timeout;
use tonic::{Code, Request, Status, TimeoutExpired};

use super::answer::{InterpretOptions, SegmentOptions};
use super::connection::Client;
use super::convert;
use super::error::ClientError;
use crate::proto::v1;
use crate::proto::v1::interpret_response::Part;

/// A reusable request; clones share the image.
#[derive(Debug, Clone)]
pub struct PreparedRequest(Call);

#[derive(Debug, Clone)]
enum Call {
    Segment(v1::SegmentRequest),
    Interpret(v1::InterpretRequest),
}

/// Result of one attempt.
#[derive(Debug)]
pub struct AttemptResult {
    /// The answer or the error.
    pub outcome: Result<GatedSegmentation, ClientError>,
    /// Bytes of the received messages.
    pub received: u64,
}

/// An answer, reduced for a load test.
#[derive(Debug, Clone, PartialEq)]
pub struct GatedSegmentation {
    /// Decision of the gate.
    pub decision: Decision,
    /// Digest of decision, mu and mask. It is the same for every answer to an image, since results do not depend on the batch.
    pub digest: u64,
}

impl PreparedRequest {
    /// A segmentation.
    pub fn segment(image: &Image, options: &SegmentOptions) -> PreparedRequest {
        PreparedRequest(Call::Segment(convert::segment_request(image, options)))
    }

    /// An interpretation, which ends with its last part.
    pub fn interpret(
        image: &Image,
        options: &SegmentOptions,
        interpretation: &InterpretOptions,
    ) -> PreparedRequest {
        PreparedRequest(Call::Interpret(convert::interpret_request(
            image,
            options,
            interpretation,
        )))
    }

    /// Size of the message in bytes.
    pub fn bytes(&self) -> u64 {
        let length = match &self.0 {
            Call::Segment(request) => request.encoded_len(),
            Call::Interpret(request) => request.encoded_len(),
        };
        length as u64
    }
}

impl Client {
    /// Sends a request once, with `deadline` as the gRPC deadline and as the local timeout.
    pub async fn attempt(&self, request: &PreparedRequest, deadline: Option<Duration>) -> AttemptResult {
        let mut received = 0;
        let exchange = self.exchange(request, deadline, &mut received);
        let outcome = match deadline {
            None => exchange.await,
            Some(after) => timeout(after, exchange).await.unwrap_or_else(|_| {
                Err(ClientError::Silent {
                    url: self.url().clone(),
                    after,
                })
            }),
        };
        AttemptResult { outcome, received }
    }

    async fn exchange(
        &self,
        request: &PreparedRequest,
        deadline: Option<Duration>,
        received: &mut u64,
    ) -> Result<GatedSegmentation, ClientError> {
        let begun = Instant::now();
        let failed = |status: Status| match deadline {
            // tonic may time out slightly before this client, here or at the server, which then reports CANCELLED.
            Some(after)
                if timed_out(&status) || status.code() == Code::Cancelled && begun.elapsed() >= after =>
            {
                ClientError::Silent {
                    url: self.url().clone(),
                    after,
                }
            }
            _ => ClientError::from_status(&status, self.url()),
        };
        match &request.0 {
            Call::Segment(request) => {
                let message = with_timeout(request.clone(), deadline);
                let answer = self.stub().segment(message).await.map_err(failed)?.into_inner();
                *received = answer.encoded_len() as u64;
                gated_segmentation(answer.segmentation)
            }
            Call::Interpret(request) => {
                let message = with_timeout(request.clone(), deadline);
                let mut parts = self.stub().interpret(message).await.map_err(failed)?.into_inner();
                let mut segmentation = None;
                let mut ended = false;
                while let Some(message) = parts.message().await.map_err(failed)? {
                    *received += message.encoded_len() as u64;
                    match message.part {
                        Some(Part::Segmentation(part)) => segmentation = Some(part),
                        Some(Part::Summary(_)) => ended = true,
                        _ => {}
                    }
                }
                if ended {
                    gated_segmentation(segmentation)
                } else {
                    Err(ClientError::Answer {
                        field: "part",
                        message: "was missing: the stream ended before its summary".into(),
                    })
                }
            }
        }
    }
}

fn with_timeout<T>(message: T, deadline: Option<Duration>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    request
}

fn timed_out(status: &Status) -> bool {
    let source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(status);
    std::iter::successors(source, |&it| it.source()).any(|it| it.is::<TimeoutExpired>())
}

fn gated_segmentation(segmentation: Option<v1::Segmentation>) -> Result<GatedSegmentation, ClientError> {
    let segmentation = convert::present("segmentation", segmentation)?;
    let decision = convert::decision(&segmentation)?;
    let mut hasher = DefaultHasher::new();
    (decision.accept, decision.mu.to_bits()).hash(&mut hasher);
    segmentation
        .mask
        .iter()
        .for_each(|mask| mask.data.hash(&mut hasher));
    Ok(GatedSegmentation {
        decision,
        digest: hasher.finish(),
    })
}
