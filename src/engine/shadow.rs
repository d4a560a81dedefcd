//! A shadow version: it gets a copy of another version's images, its answers are compared with the other's and never given.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate_core::executor::{Ready, Segmentation, dice};
use sagate_core::gate::Policy;
use sagate_core::imaging::Image;

use super::decode_permits::{DecodePermits, Payload};
use super::error::EngineError;
use super::hosted::{Asker, Hosted};
use super::place::{Client, Place};
use super::priority::Priority;
use super::task::Scored;

/// A shadow that has no answer by then is given up.
const LONGEST: Duration = Duration::from_secs(60);
/// Whose bounds the shadows' images count against.
const CLIENT: &str = "shadow";

/// What came of a shadow's run on one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Both have an answer.
    Seen {
        /// Whether both let the image through, or neither.
        same_decision: bool,
        /// The shadow's mu less the other's.
        mu_difference: f64,
        /// Dice between the two masks, in [0, 1].
        mask_dice: f64,
    },
    /// The shadow had no place left, or no time.
    Skipped,
    /// The shadow failed on the image.
    Failed,
}

/// An image that a shadow version will run on, once the answer that it is compared with has been given.
pub struct ShadowRun {
    shadow: Arc<Hosted>,
    /// The image with its place in the shadow's queue; `None`: there was none.
    admitted: Option<(Image, Place)>,
}

impl ShadowRun {
    /// Keeps a copy of an image for a shadow, if the shadow's bounds allow it. Nothing is computed yet: whatever happens to the shadow,
    /// the other's answer goes its way. `answer_bytes` is what the shadow's answer takes.
    pub fn admit(shadow: Arc<Hosted>, image: &Image, answer_bytes: u64) -> ShadowRun {
        let place = shadow.admit(bytes(image) + answer_bytes, &asker());
        ShadowRun {
            admitted: place.ok().map(|place| (image.clone(), place)),
            shadow,
        }
    }

    /// Lets the shadow run, compares with what the other said, and tells the observer. To be spawned: nobody waits for it.
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
            Some((image, place)) => Some(run(&shadow, image, place, &permits).await),
        };
        let comparison = match ran {
            Some(Ok(seen)) => compare(&shadow, &seen.segmentation, &other, accepted, &policy),
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
        shadow.0.observer.shadowed(shadow.contract().id(), &comparison);
    }
}

fn bytes(image: &Image) -> u64 {
    (size_of::<f32>() * image.pixels.len()) as u64
}

fn asker() -> Asker {
    Asker {
        client: Client::new(CLIENT),
        priority: Priority::Shadow,
        deadline: Some(Instant::now() + LONGEST),
    }
}

async fn run(
    shadow: &Arc<Hosted>,
    image: Image,
    place: Place,
    permits: &DecodePermits,
) -> Result<Scored, EngineError> {
    let asker = asker();
    let payload = Payload {
        bytes: bytes(&image),
        is_file: false,
    };
    let permit = permits.acquire(payload, asker.priority, asker.deadline).await?;
    let contract = shadow.contract().clone();
    let prepared = tokio::task::spawn_blocking(move || -> Result<Ready, EngineError> {
        let ready = contract.prepare(image)?;
        permit.decoded();
        Ok(ready)
    });
    let ready = prepared.await.map_err(|_| EngineError::Panicked)??;
    place.grow(ready.bytes())?;
    shadow.segment(ready, place, &asker)?.wait().await
}

fn compare(
    shadow: &Hosted,
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
