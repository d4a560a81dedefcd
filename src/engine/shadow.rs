//! A version that looks on: it sees the images of another, its answers are compared and never given.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contract::Ready;
use super::hosted::{Asker, Hosted, Pending};
use super::place::Client;
use super::priority::Priority;
use super::segmentation::{Segmentation, dice};
use crate::gate::Policy;
use crate::imaging::Image;

/// A shadow that has no answer by then is given up.
const LONGEST: Duration = Duration::from_secs(60);
/// Whose bounds the shadows' images count against.
const CLIENT: &str = "shadow";

/// What came of a shadow's look at one image.
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

/// A shadow that looks at an image.
pub struct Looking {
    shadow: Arc<Hosted>,
    pending: Option<Pending>,
}

/// Lets a shadow look at an image, in the background: whatever happens to it, the other's answer goes its way. `bytes` is what the
/// image takes beside its pixels.
pub fn look_on(shadow: &Arc<Hosted>, image: Image, bytes: impl FnOnce(&Ready) -> u64) -> Looking {
    let pending = || {
        let asker = Asker {
            client: Client::new(CLIENT),
            priority: Priority::Batch,
            deadline: Some(Instant::now() + LONGEST),
        };
        let ready = shadow.contract().prepare(image).ok()?;
        let place = shadow.admit(ready.bytes() + bytes(&ready), &asker).ok()?;
        shadow.segment(ready, place, &asker).ok()
    };
    Looking {
        shadow: shadow.clone(),
        pending: pending(),
    }
}

impl Looking {
    /// Compares with what the other said, once the shadow is done, and tells the observer. To be spawned: nobody waits for it.
    pub async fn compare(self, other: Arc<Segmentation>, accepted: bool, policy: Policy) {
        let shadow = &self.shadow;
        let comparison = match self.pending {
            None => Comparison::Skipped,
            Some(pending) => match pending.wait().await {
                Ok(seen) => compare(shadow, &seen.segmentation, &other, accepted, &policy),
                Err(super::EngineError::DeadlineExceeded | super::EngineError::Stopping) => {
                    Comparison::Skipped
                }
                Err(error) => {
                    tracing::warn!(model = %shadow.contract().id(), %error, "the shadow failed on an image");
                    Comparison::Failed
                }
            },
        };
        shadow.0.observer.shadowed(shadow.contract().id(), &comparison);
    }
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
