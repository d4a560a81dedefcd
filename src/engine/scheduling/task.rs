//! Queue entries, and the answers that a model's threads send.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sagate_core::executor::{LayerView, PreparedImage, Resolution, Segmentation, UnitView};
use tokio::sync::{mpsc, oneshot};

use crate::engine::admission::cost::{Kind, Work};
use crate::engine::admission::permits::QueuePermit;
use crate::engine::admission::priority::Priority;
use crate::engine::error::EngineError;

/// One image that waits for a model.
pub struct Entry {
    pub id: u64,
    pub image: PreparedImage,
    pub task: Task,
    pub priority: Priority,
    pub deadline: Option<Instant>,
    pub queued: Instant,
    /// Whether it must run in a batch of its own, since its previous batch failed.
    pub unbatched: bool,
    /// Released when both the thread and the caller are done with the image.
    pub _permit: QueuePermit,
}

/// The requested operation, and the channel for the answer.
pub enum Task {
    Segment(oneshot::Sender<Result<TimedSegmentation, EngineError>>),
    Interpret(
        InterpretationPlan,
        mpsc::UnboundedSender<Result<InterpretationEvent, EngineError>>,
    ),
}

/// A segmentation and how long it took.
#[derive(Debug)]
pub struct TimedSegmentation {
    /// The segmentation; shared with a running interpretation.
    pub segmentation: Arc<Segmentation>,
    /// Timestamps of each step.
    pub timing: Timing,
}

/// Timestamps of the steps of an image through the model.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Entered the queue.
    pub queued: Instant,
    /// Left the queue.
    pub begun: Instant,
    /// End of the forward pass.
    pub forwarded: Instant,
    /// End of scoring.
    pub scored: Instant,
    /// Images in the batch, this one included.
    pub images: usize,
}

/// Content of an interpretation.
#[derive(Debug, Clone, Default)]
pub struct InterpretationPlan {
    /// Layer numbers, 1 to 18.
    pub layers: Vec<usize>,
    /// Grid of their SAMs.
    pub resolution: Resolution,
    /// Layers whose units are shown.
    pub units: Vec<UnitSelection>,
}

/// Units of one layer that an interpretation shows.
#[derive(Debug, Clone, Copy)]
pub struct UnitSelection {
    /// Layer number, 1 to 18.
    pub layer: usize,
    /// Object class, 1 to K.
    pub class: usize,
    /// Number of units' SAMs.
    pub count: usize,
    /// Selection of units.
    pub choice: UnitOrder,
    /// Whether to add the average of all units' SAMs.
    pub average: bool,
}

/// Selection of units by SA score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitOrder {
    /// The highest SA scores, best first.
    #[default]
    Best,
    /// Evenly spread over the ranks, from the best to the worst.
    Spread,
}

/// One part of an interpretation, in the order of sending.
#[derive(Debug)]
pub enum InterpretationEvent {
    /// First: the segmentation, before any SAM is computed.
    Scored(Box<TimedSegmentation>),
    /// One layer.
    Layer(Box<LayerView>),
    /// The units of one layer.
    Units(UnitSelection, Box<UnitView>),
    /// Last: compute time of SAMs and units.
    Done(Duration),
}

impl UnitOrder {
    /// Chooses at most `count` units by their rank.
    pub fn choose(self, scores: &[f64], count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let count = count.min(order.len());
        if self == UnitOrder::Best || count < 2 {
            order.truncate(count);
            return order;
        }
        (0..count)
            .map(|step| order[step * (order.len() - 1) / (count - 1)])
            .collect()
    }
}

impl InterpretationPlan {
    /// Layers whose feature maps it needs.
    pub fn taps(&self) -> Vec<usize> {
        let units = self.units.iter().map(|units| units.layer);
        self.layers.iter().copied().chain(units).collect()
    }

    /// Number of SAMs to compute: one per layer; for the units of a layer, one for their ranking, one per unit and one for the average.
    pub fn sams(&self) -> u64 {
        let of_units = |units: &UnitSelection| 1 + units.count as u64 + u64::from(units.average);
        self.layers.len() as u64 + self.units.iter().map(of_units).sum::<u64>()
    }
}

impl Entry {
    /// Kind of request.
    pub fn kind(&self) -> Kind {
        match self.task {
            Task::Segment(_) => Kind::Segmentation,
            Task::Interpret(..) => Kind::Interpretation,
        }
    }

    /// Amount of work.
    pub fn work(&self) -> Work {
        let pixels = self.image.size().iter().map(|&side| side as u64).product();
        let sams = match &self.task {
            Task::Segment(_) => 0,
            Task::Interpret(plan, _) => plan.sams(),
        };
        Work {
            pixels,
            sam_pixels: pixels.saturating_mul(sams),
        }
    }

    /// Its class after aging.
    pub fn class(&self, now: Instant, aging: Duration) -> Priority {
        self.priority
            .promoted(now.saturating_duration_since(self.queued), aging)
    }

    /// Whether its caller is gone.
    pub fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Segment(answer) => answer.is_closed(),
            Task::Interpret(_, events) => events.is_closed(),
        }
    }

    /// Whether its deadline has passed.
    pub fn has_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it may share a batch with others.
    pub fn is_batchable(&self) -> bool {
        matches!(self.task, Task::Segment(_)) && !self.unbatched
    }

    /// Ends it with an error.
    pub fn refuse(self, error: EngineError) {
        // The receiver may be gone.
        match self.task {
            Task::Segment(answer) => drop(answer.send(Err(error))),
            Task::Interpret(_, events) => drop(events.send(Err(error))),
        }
    }
}
