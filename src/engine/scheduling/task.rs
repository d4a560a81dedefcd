//! What a caller asks of a model's thread, and what comes back.

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
    /// Whether it runs in a batch of its own: a batch that it was in failed.
    pub unbatched: bool,
    /// Given back when the image has left the thread as well as the caller's hands.
    pub _permit: QueuePermit,
}

/// What is to be done with it, and who waits.
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
    /// What the model says; shared with the interpretation that goes on.
    pub segmentation: Arc<Segmentation>,
    /// When it said so.
    pub timing: Timing,
}

/// When an image passed each step on its way through the model.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// It came into the queue.
    pub queued: Instant,
    /// It left the queue.
    pub begun: Instant,
    /// The network was done with its batch.
    pub forwarded: Instant,
    /// The scores of its batch were done.
    pub scored: Instant,
    /// Images in the batch, this one counted.
    pub images: usize,
}

/// What an interpretation shows.
#[derive(Debug, Clone, Default)]
pub struct InterpretationPlan {
    /// Layer numbers, 1 to 18.
    pub layers: Vec<usize>,
    /// The grid of their SAMs.
    pub resolution: Resolution,
    /// Layers whose units are shown.
    pub units: Vec<UnitSelection>,
}

/// What an interpretation shows of the units of one layer.
#[derive(Debug, Clone, Copy)]
pub struct UnitSelection {
    /// Layer number, 1 to 18.
    pub layer: usize,
    /// Object class, 1 to K.
    pub class: usize,
    /// How many units' SAMs.
    pub count: usize,
    /// Which units.
    pub choice: UnitOrder,
    /// Whether the average of all units' SAMs is wanted.
    pub average: bool,
}

/// Which units are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitOrder {
    /// Those of the highest SA scores, best first.
    #[default]
    Best,
    /// Evenly spread over the ranks, from the best to the worst.
    Spread,
}

/// One part of an interpretation, in the order in which they come.
#[derive(Debug)]
pub enum InterpretationEvent {
    /// First: the segmentation, before any SAM is computed.
    Scored(Box<TimedSegmentation>),
    /// One layer.
    Layer(Box<LayerView>),
    /// The units of one layer.
    Units(UnitSelection, Box<UnitView>),
    /// Last: how long SAMs and units took the model.
    Done(Duration),
}

impl UnitOrder {
    /// Units by their rank, at most `count`.
    pub fn of(self, scores: &[f64], count: usize) -> Vec<usize> {
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
    /// Every layer whose feature map it needs.
    pub fn taps(&self) -> Vec<usize> {
        let units = self.units.iter().map(|units| units.layer);
        self.layers.iter().copied().chain(units).collect()
    }

    /// SAMs that are computed for it: one a layer; of a layer whose units are shown one for their ranking, one for each unit and one
    /// for the average.
    pub fn sams(&self) -> u64 {
        let of_units = |units: &UnitSelection| 1 + units.count as u64 + u64::from(units.average);
        self.layers.len() as u64 + self.units.iter().map(of_units).sum::<u64>()
    }
}

impl Entry {
    /// What is asked of the model.
    pub fn kind(&self) -> Kind {
        match self.task {
            Task::Segment(_) => Kind::Segmentation,
            Task::Interpret(..) => Kind::Interpretation,
        }
    }

    /// What it asks of the model.
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

    /// The class that it counts as by now.
    pub fn class(&self, now: Instant, aging: Duration) -> Priority {
        self.priority
            .aged(now.saturating_duration_since(self.queued), aging)
    }

    /// Whether nobody waits for it any more.
    pub fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Segment(answer) => answer.is_closed(),
            Task::Interpret(_, events) => events.is_closed(),
        }
    }

    /// Whether its time has run out.
    pub fn has_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it may share a batch with others.
    pub fn is_batchable(&self) -> bool {
        matches!(self.task, Task::Segment(_)) && !self.unbatched
    }

    /// Ends it without an answer.
    pub fn refuse(self, error: EngineError) {
        // Nobody may be there to hear it any more.
        match self.task {
            Task::Segment(answer) => drop(answer.send(Err(error))),
            Task::Interpret(_, events) => drop(events.send(Err(error))),
        }
    }
}
