//! Shadow versions: they run on copies of another version's images. Their answers are compared and never returned.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate_core::executor::{PreparedImage, Segmentation, dice};
use sagate_core::gate::Policy;
use sagate_core::imaging::Image;

use crate::engine::admission::decode_permits::{DecodePermits, DecodeSize};
use crate::engine::admission::permits::QueuePermit;
use crate::engine::admission::priority::Priority;
use crate::engine::admission::request::{ClientId, RequestContext};
use crate::engine::error::EngineError;
use crate::engine::observer::Comparison;
use crate::engine::runtime::handle::ModelHandle;
use crate::engine::scheduling::task::TimedSegmentation;

/// Deadline of a shadow run.
const SHADOW_TIMEOUT: Duration = Duration::from_secs(60);
/// Client whose limits the shadows' images count against.
const SHADOW_CLIENT: &str = "shadow";

/// A shadow run on one image. It starts after the reference answer has been sent.
pub struct ShadowRun {
    shadow: Arc<ModelHandle>,
    /// The image with its permit in the shadow's queue; `None`: no permit was left.
    admitted: Option<(Image, QueuePermit)>,
}

impl ShadowRun {
    /// Keeps a copy of an image for a shadow, if the shadow's limits allow it. Nothing is computed yet, so the shadow cannot delay the answer.
    /// `answer_bytes` is the size of the shadow's answer.
    pub fn admit(shadow: Arc<ModelHandle>, image: &Image, answer_bytes: u64) -> ShadowRun {
        let permit = shadow.admit(bytes(image) + answer_bytes, &context());
        ShadowRun {
            admitted: permit.ok().map(|permit| (image.clone(), permit)),
            shadow,
        }
    }

    /// Runs the shadow, compares its answer with the reference, and notifies the observer. Spawn it as a task of its own.
    pub async fn compare(
        self,
        permits: DecodePermits,
        other: Arc<Segmentation>,
        accepted: bool,
        policy: Policy,
    ) {
        let shadow = self.shadow;
        let ran = match self.admitted {
            None => None,
            Some((image, permit)) => Some(run(&shadow, image, permit, &permits).await),
        };
        let comparison = match ran {
            Some(Ok(answer)) => compare(&shadow, &answer.segmentation, &other, accepted, &policy),
            None
            | Some(Err(
                EngineError::DeadlineExceeded
                | EngineError::NotInTime { .. }
                | EngineError::QueueFull { .. }
                | EngineError::Stopping,
            )) => Comparison::Skipped,
            Some(Err(error)) => {
                tracing::warn!(model = %shadow.contract().id(), %error, "the shadow failed on an image");
                Comparison::Failed
            }
        };
        shadow
            .runtime()
            .observer
            .shadowed(shadow.contract().id(), &comparison);
    }
}

fn bytes(image: &Image) -> u64 {
    (size_of::<f32>() * image.pixels.len()) as u64
}

fn context() -> RequestContext {
    RequestContext {
        client: ClientId::new(SHADOW_CLIENT),
        priority: Priority::Shadow,
        deadline: Some(Instant::now() + SHADOW_TIMEOUT),
    }
}

async fn run(
    shadow: &Arc<ModelHandle>,
    image: Image,
    permit: QueuePermit,
    permits: &DecodePermits,
) -> Result<TimedSegmentation, EngineError> {
    let context = context();
    let payload = DecodeSize {
        bytes: bytes(&image),
        is_file: false,
    };
    let decode_permit = permits
        .acquire(payload, context.priority, context.deadline)
        .await?;
    let contract = shadow.contract().clone();
    let prepared = tokio::task::spawn_blocking(move || -> Result<PreparedImage, EngineError> {
        let ready = contract.prepare(image)?;
        decode_permit.decoded();
        Ok(ready)
    });
    let ready = prepared.await.map_err(|_| EngineError::Panicked)??;
    permit.grow(ready.bytes())?;
    shadow.segment(ready, permit, &context)?.wait().await
}

fn compare(
    shadow: &ModelHandle,
    seen: &Segmentation,
    other: &Segmentation,
    accepted: bool,
    policy: &Policy,
) -> Comparison {
    if seen.labels.dim() != other.labels.dim() {
        return Comparison::Failed;
    }
    let classes = shadow.contract().manifest().classes.len();
    Comparison::Seen {
        same_decision: shadow.contract().decide(seen, policy).accept == accepted,
        mu_difference: seen.mean_sa.mu - other.mean_sa.mu,
        mask_dice: dice(&seen.labels, &other.labels, classes),
    }
}
