//! One model that answers: its queue, its places, and the way in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use super::contract::{Contract, Ready};
use super::error::EngineError;
use super::observer::Observer;
use super::place::{Bounds, Place, Places, Usage};
use super::queue::Queue;
use super::task::{Entry, Event, Plan, Scored, Task};
use super::turns::Turns;

/// A model that answers, from any thread.
pub struct Hosted {
    contract: Arc<Contract>,
    pub(super) queue: Arc<Queue>,
    pub(super) places: Arc<Places>,
    pub(super) turns: Arc<Turns>,
    pub(super) observer: Arc<dyn Observer>,
    ready: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
    /// Seconds that an image takes the model, as the bits of an f64: a moving average.
    image_seconds: AtomicU64,
}

/// A segmentation that is being worked on. Dropping it takes it out of the queue.
pub struct Pending {
    answer: oneshot::Receiver<Result<Scored, EngineError>>,
    waiting: Waiting,
}

/// An interpretation that is being worked on. Dropping it takes it out of the queue, or stops it.
pub struct Events {
    events: mpsc::UnboundedReceiver<Result<Event, EngineError>>,
    waiting: Waiting,
}

/// An entry in the queue that its caller may give up.
struct Waiting {
    queue: Arc<Queue>,
    id: u64,
    deadline: Option<Instant>,
}

impl Hosted {
    pub(super) fn new(
        contract: Arc<Contract>,
        bounds: Bounds,
        turns: Arc<Turns>,
        observer: Arc<dyn Observer>,
    ) -> Hosted {
        Hosted {
            places: Places::new(contract.id().clone(), bounds, observer.clone()),
            contract,
            queue: Arc::default(),
            turns,
            observer,
            ready: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
            image_seconds: AtomicU64::new(0.05f64.to_bits()),
        }
    }

    /// What is known of the model without its network.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Whether it is loaded and warm.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// [`Hosted::is_ready`], to be waited for.
    pub fn watch_ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// What is taken of the queue's bounds.
    pub fn usage(&self) -> Usage {
        self.places.usage()
    }

    /// Takes a place for an image of so many bytes, before anything is done with it.
    ///
    /// # Errors
    /// The model is not ready, the queue is full, or the image is too large for it.
    pub fn admit(&self, bytes: u64) -> Result<Place, EngineError> {
        if self.queue.is_closed() {
            return Err(EngineError::Stopping);
        }
        if !self.is_ready() {
            return Err(self.not_ready());
        }
        self.places.take(bytes, || self.retry_seconds())
    }

    /// Queues an image for segmentation.
    ///
    /// # Errors
    /// The engine is stopping.
    pub fn segment(
        &self,
        image: Ready,
        place: Place,
        deadline: Option<Instant>,
    ) -> Result<Pending, EngineError> {
        let (sender, answer) = oneshot::channel();
        let waiting = self.push(image, Task::Segment(sender), place, deadline)?;
        Ok(Pending { answer, waiting })
    }

    /// Queues an image for interpretation.
    ///
    /// # Errors
    /// The engine is stopping.
    pub fn interpret(
        &self,
        image: Ready,
        plan: Plan,
        place: Place,
        deadline: Option<Instant>,
    ) -> Result<Events, EngineError> {
        let (sender, events) = mpsc::unbounded_channel();
        let waiting = self.push(image, Task::Interpret(plan, sender), place, deadline)?;
        Ok(Events { events, waiting })
    }

    fn push(
        &self,
        image: Ready,
        task: Task,
        place: Place,
        deadline: Option<Instant>,
    ) -> Result<Waiting, EngineError> {
        let id = self.queue.push(|id| Entry {
            id,
            image,
            task,
            deadline,
            queued: Instant::now(),
            alone: false,
            _place: place,
        })?;
        Ok(Waiting {
            queue: self.queue.clone(),
            id,
            deadline,
        })
    }

    pub(super) fn not_ready(&self) -> EngineError {
        EngineError::NotReady {
            model: self.contract.id().to_string(),
        }
    }

    /// How long it takes until what is in the queue is done.
    fn retry_seconds(&self) -> f64 {
        let each = f64::from_bits(self.image_seconds.load(Ordering::Relaxed));
        (each * self.queue.len().max(1) as f64).clamp(0.01, 30.0)
    }

    /// Remembers how long an image took.
    pub(super) fn measured(&self, seconds: f64) {
        let before = f64::from_bits(self.image_seconds.load(Ordering::Relaxed));
        let now = before + 0.2 * (seconds - before);
        self.image_seconds.store(now.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.send_replace(ready);
        self.observer.ready(self.contract.id(), ready);
    }

    pub(super) fn panicked(&self) {
        tracing::error!(model = %self.contract.id(), "the model's thread panicked and is replaced");
        self.set_ready(false);
        self.observer.panicked(self.contract.id());
    }

    pub(super) fn stopped(&self) {
        self.set_ready(false);
        self.stopped.send_replace(true);
    }

    /// Takes nothing more, and waits until what was taken is done.
    pub(super) async fn stop(&self) {
        self.queue.close();
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`.
        let _ = stopped.wait_for(|&stopped| stopped).await;
    }
}

impl Pending {
    /// The segmentation.
    ///
    /// # Errors
    /// The deadline passed, the model failed, or the engine stopped.
    pub async fn wait(mut self) -> Result<Scored, EngineError> {
        let answer = self.waiting.in_time(&mut self.answer).await?;
        answer.unwrap_or(Err(EngineError::Panicked))
    }
}

impl Events {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// The deadline passed, the model failed, or the engine stopped. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<Event>, EngineError> {
        let next = self.waiting.in_time(self.events.recv()).await?;
        next.transpose()
    }
}

impl Waiting {
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        match self.deadline {
            None => Ok(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .map_err(|_| EngineError::DeadlineExceeded),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.remove(self.id);
    }
}
