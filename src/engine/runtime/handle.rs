//! The handle of a loaded model: its state, and the way to queue images for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sagate_core::executor::{ModelSpec, PreparedImage};
use sagate_core::nn::inference::InferenceNet;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::admission::deadline::retry;
use crate::engine::admission::permits::{AdmissionController, QueuePermit, QueueUsage};
use crate::engine::admission::request::RequestContext;
use crate::engine::error::EngineError;
use crate::engine::observer::{Instances, Observer};
use crate::engine::scheduling::lease::QueueId;
use crate::engine::scheduling::scheduler::Scheduler;
use crate::engine::scheduling::task::{
    Entry, InterpretationEvent, InterpretationPlan, Task, TimedSegmentation,
};

/// A model that answers, from any thread. When it is dropped, the model takes nothing more: what waits is done, then its threads end.
pub struct ModelHandle(Arc<ModelRuntime>);

/// What a model's threads share with its handle.
pub struct ModelRuntime {
    pub contract: Arc<ModelSpec>,
    pub queue: QueueId,
    pub scheduler: Arc<Scheduler>,
    pub admission: Arc<AdmissionController>,
    pub observer: Arc<dyn Observer>,
    pub state: watch::Sender<ModelState>,
    /// Whether the observer is told of its state: not before it takes requests, and not after another has replaced it.
    pub observed: AtomicBool,
    /// The loaded network, which its threads share.
    pub net: Mutex<Option<InferenceNet>>,
    /// Threads that shall run it.
    pub wanted: usize,
    /// Threads that live, and those that are warm.
    pub living: AtomicUsize,
    pub warm: AtomicUsize,
    /// Whether it was ever ready.
    pub has_served: AtomicBool,
}

/// How a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// It is being loaded, tested and warmed up.
    Loading,
    /// It answers.
    Ready,
    /// It cannot be loaded, or failed its self-test: why. It is tried again as long as it is wanted.
    Failed(Arc<str>),
    /// Its threads have ended.
    Stopped,
}

/// A segmentation that is being worked on. Dropping it takes it out of the queue.
pub struct PendingSegmentation {
    answer: oneshot::Receiver<Result<TimedSegmentation, EngineError>>,
    waiting: Waiting,
}

/// An interpretation that is being worked on. Dropping it takes it out of the queue, or stops it.
pub struct InterpretationEvents {
    events: mpsc::UnboundedReceiver<Result<InterpretationEvent, EngineError>>,
    waiting: Waiting,
}

/// An entry in the queue that its caller may give up.
struct Waiting {
    scheduler: Arc<Scheduler>,
    queue: QueueId,
    id: u64,
    deadline: Option<Instant>,
}

impl ModelHandle {
    /// The way into a model whose threads were started.
    pub(in crate::engine) fn new(runtime: Arc<ModelRuntime>) -> ModelHandle {
        ModelHandle(runtime)
    }

    /// What its threads share.
    pub(in crate::engine) fn runtime(&self) -> &ModelRuntime {
        &self.0
    }

    /// What is known of the model without its network.
    pub fn contract(&self) -> &Arc<ModelSpec> {
        &self.0.contract
    }

    /// How it is.
    pub fn state(&self) -> ModelState {
        self.0.state.borrow().clone()
    }

    /// [`ModelHandle::state`], to be waited for.
    pub fn watch(&self) -> watch::Receiver<ModelState> {
        self.0.state.subscribe()
    }

    /// Whether it answers.
    pub fn is_ready(&self) -> bool {
        *self.0.state.borrow() == ModelState::Ready
    }

    /// Whether it is being loaded for the first time.
    pub fn is_starting(&self) -> bool {
        *self.0.state.borrow() == ModelState::Loading && !self.0.has_served.load(Ordering::SeqCst)
    }

    /// How many of its threads take batches.
    pub fn instances(&self) -> Instances {
        self.0.instances()
    }

    /// Waits until it answers: until the first of its threads does.
    ///
    /// # Errors
    /// It cannot be loaded, fails its self-test, or was stopped.
    pub async fn ready(&self) -> Result<(), EngineError> {
        let mut state = self.watch();
        let settled = state.wait_for(|state| *state != ModelState::Loading).await;
        match settled.as_deref() {
            Ok(ModelState::Ready) => Ok(()),
            Ok(ModelState::Failed(reason)) => Err(EngineError::NotLoaded {
                model: self.contract().id().to_string(),
                reason: reason.to_string(),
            }),
            Ok(ModelState::Loading | ModelState::Stopped) | Err(_) => Err(EngineError::Stopping),
        }
    }

    /// What its images take of the bounds.
    pub fn usage(&self) -> QueueUsage {
        self.0.admission.usage(self.contract().id())
    }

    /// Takes a permit for an image of so many bytes, before anything is done with it.
    ///
    /// # Errors
    /// The model is not ready, a limit is reached, the image is too large, or what waits already takes longer than the caller waits.
    pub fn admit(&self, bytes: u64, context: &RequestContext) -> Result<QueuePermit, EngineError> {
        let host = &self.0;
        if host.scheduler.is_closed(host.queue) {
            return Err(EngineError::Stopping);
        }
        if !self.is_ready() {
            return Err(host.not_ready());
        }
        host.scheduler
            .check_deadline(host.queue, context.priority, context.deadline)?;
        let retry_seconds = || retry(host.scheduler.wait_seconds(host.queue, context.priority));
        host.admission
            .take(self.contract().id(), &context.client, bytes, retry_seconds)
    }

    /// Queues an image for segmentation.
    ///
    /// # Errors
    /// The engine is stopping, the image does not fit into memory, or cannot be done in time.
    pub fn segment(
        &self,
        image: PreparedImage,
        permit: QueuePermit,
        context: &RequestContext,
    ) -> Result<PendingSegmentation, EngineError> {
        let (sender, answer) = oneshot::channel();
        let waiting = self.push(image, Task::Segment(sender), permit, context)?;
        Ok(PendingSegmentation { answer, waiting })
    }

    /// Queues an image for interpretation.
    ///
    /// # Errors
    /// As [`ModelHandle::segment`].
    pub fn interpret(
        &self,
        image: PreparedImage,
        plan: InterpretationPlan,
        permit: QueuePermit,
        context: &RequestContext,
    ) -> Result<InterpretationEvents, EngineError> {
        let (sender, events) = mpsc::unbounded_channel();
        let waiting = self.push(image, Task::Interpret(plan, sender), permit, context)?;
        Ok(InterpretationEvents { events, waiting })
    }

    fn push(
        &self,
        image: PreparedImage,
        task: Task,
        permit: QueuePermit,
        context: &RequestContext,
    ) -> Result<Waiting, EngineError> {
        let host = &self.0;
        let id = host.scheduler.push(host.queue, |id| Entry {
            id,
            image,
            task,
            priority: context.priority,
            deadline: context.deadline,
            queued: Instant::now(),
            unbatched: false,
            _permit: permit,
        })?;
        Ok(Waiting {
            scheduler: host.scheduler.clone(),
            queue: host.queue,
            id,
            deadline: context.deadline,
        })
    }
}

impl Drop for ModelHandle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ModelRuntime {
    pub fn not_ready(&self) -> EngineError {
        EngineError::NotReady {
            model: self.contract.id().to_string(),
        }
    }

    /// Takes nothing more; what waits is still done.
    pub fn close(&self) {
        self.scheduler.close(self.queue);
    }

    pub fn set_state(&self, state: ModelState) {
        self.state.send_replace(state);
        self.notify_observer();
    }

    /// One more thread is warm: from the first on the model answers.
    pub fn warmed_up(&self) {
        self.state.send_modify(|state| {
            // Under the state's lock, as in `cooled_down`: what is said last is what is.
            self.warm.fetch_add(1, Ordering::SeqCst);
            self.has_served.store(true, Ordering::SeqCst);
            *state = ModelState::Ready;
        });
        self.notify_observer();
    }

    /// One warm thread less, which is to be replaced.
    pub fn cooled_down(&self) {
        self.state.send_modify(|state| {
            if self.warm.fetch_sub(1, Ordering::SeqCst) == 1 {
                *state = ModelState::Loading;
            }
        });
        self.notify_observer();
    }

    /// A thread could not be made ready. Whether that is the model's failure: where other threads run it, it answers all the same.
    pub fn failed(&self, reason: &str) -> bool {
        let failed = self.state.send_if_modified(|state| {
            let failed = self.warm.load(Ordering::SeqCst) == 0;
            if failed {
                *state = ModelState::Failed(reason.into());
            }
            failed
        });
        self.notify_observer();
        failed
    }

    pub fn instances(&self) -> Instances {
        Instances {
            ready: self.warm.load(Ordering::SeqCst),
            wanted: self.wanted,
        }
    }

    /// Begins or ends to tell the observer of its state.
    pub fn set_observed(&self, observed: bool) {
        self.observed.store(observed, Ordering::SeqCst);
        self.notify_observer();
    }

    fn notify_observer(&self) {
        if self.observed.load(Ordering::SeqCst) {
            let ready = *self.state.borrow() == ModelState::Ready;
            self.observer.ready(self.contract.id(), ready);
            self.observer.instances(self.contract.id(), self.instances());
        }
    }

    /// Waits until its threads have ended.
    pub async fn ended(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| *state == ModelState::Stopped).await;
    }
}

impl PendingSegmentation {
    /// The segmentation.
    ///
    /// # Errors
    /// The deadline passed, the model failed, or the engine stopped.
    pub async fn wait(mut self) -> Result<TimedSegmentation, EngineError> {
        let answer = self.waiting.in_time(&mut self.answer).await?;
        answer.unwrap_or(Err(EngineError::Panicked))
    }
}

impl InterpretationEvents {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// The deadline passed, the model failed, or the engine stopped. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<InterpretationEvent>, EngineError> {
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
        self.scheduler.withdraw(self.queue, self.id);
    }
}
