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

/// Handle of a model, usable from any thread. Dropping it closes the model: queued images are completed, then its threads end.
pub struct ModelHandle(Arc<ModelRuntime>);

/// State that a model's threads share with its handle.
pub struct ModelRuntime {
    pub contract: Arc<ModelSpec>,
    pub queue: QueueId,
    pub scheduler: Arc<Scheduler>,
    pub admission: Arc<AdmissionController>,
    pub observer: Arc<dyn Observer>,
    pub state: watch::Sender<ModelState>,
    /// Whether the observer is notified of its state: only from publication until replacement.
    pub observed: AtomicBool,
    /// The loaded network, shared by its threads.
    pub net: Mutex<Option<InferenceNet>>,
    /// Configured number of threads.
    pub wanted: usize,
    /// Threads that are alive, and those that are warm.
    pub living: AtomicUsize,
    pub warm: AtomicUsize,
    /// Whether it was ever ready.
    pub has_served: AtomicBool,
}

/// State of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// It is being loaded, tested and warmed up.
    Loading,
    /// It takes requests.
    Ready,
    /// It could not be loaded or failed its self-test, with the reason. Loading is retried while the model is wanted.
    Failed(Arc<str>),
    /// Its threads have ended.
    Stopped,
}

/// A queued or running segmentation. Dropping it withdraws the image from the queue.
pub struct PendingSegmentation {
    answer: oneshot::Receiver<Result<TimedSegmentation, EngineError>>,
    queued: QueuedEntry,
}

/// A queued or running interpretation. Dropping it withdraws the image from the queue, or stops the run.
pub struct InterpretationEvents {
    events: mpsc::UnboundedReceiver<Result<InterpretationEvent, EngineError>>,
    queued: QueuedEntry,
}

/// A queue entry. Dropping it withdraws the entry.
struct QueuedEntry {
    scheduler: Arc<Scheduler>,
    queue: QueueId,
    id: u64,
    deadline: Option<Instant>,
}

impl ModelHandle {
    /// The handle of a model whose threads were started.
    pub(in crate::engine) fn new(runtime: Arc<ModelRuntime>) -> ModelHandle {
        ModelHandle(runtime)
    }

    /// The state that its threads share.
    pub(in crate::engine) fn runtime(&self) -> &ModelRuntime {
        &self.0
    }

    /// The specification of the model.
    pub fn contract(&self) -> &Arc<ModelSpec> {
        &self.0.contract
    }

    /// Current state.
    pub fn state(&self) -> ModelState {
        self.0.state.borrow().clone()
    }

    /// Receiver of state changes.
    pub fn watch(&self) -> watch::Receiver<ModelState> {
        self.0.state.subscribe()
    }

    /// Whether it takes requests.
    pub fn is_ready(&self) -> bool {
        *self.0.state.borrow() == ModelState::Ready
    }

    /// Whether it is being loaded for the first time.
    pub fn is_starting(&self) -> bool {
        *self.0.state.borrow() == ModelState::Loading && !self.0.has_served.load(Ordering::SeqCst)
    }

    /// Number of threads that take batches, and the configured number.
    pub fn instances(&self) -> Instances {
        self.0.instances()
    }

    /// Waits until its first thread is ready.
    ///
    /// # Errors
    /// It could not be loaded, failed its self-test, or was stopped.
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

    /// Queue usage of its images.
    pub fn usage(&self) -> QueueUsage {
        self.0.admission.usage(self.contract().id())
    }

    /// Takes a queue permit for an image of `bytes` bytes, before any work is spent on it.
    ///
    /// # Errors
    /// The model is not ready, a limit is reached, the image is too large, or the queue delay exceeds the deadline.
    pub fn admit(&self, bytes: u64, context: &RequestContext) -> Result<QueuePermit, EngineError> {
        let runtime = &self.0;
        if runtime.scheduler.is_closed(runtime.queue) {
            return Err(EngineError::Stopping);
        }
        if !self.is_ready() {
            return Err(runtime.not_ready());
        }
        runtime
            .scheduler
            .check_deadline(runtime.queue, context.priority, context.deadline)?;
        let retry_seconds = || retry(runtime.scheduler.wait_seconds(runtime.queue, context.priority));
        runtime
            .admission
            .take(self.contract().id(), &context.client, bytes, retry_seconds)
    }

    /// Queues an image for segmentation.
    ///
    /// # Errors
    /// The engine is stopping, the image does not fit into memory, or its deadline cannot be met.
    pub fn segment(
        &self,
        image: PreparedImage,
        permit: QueuePermit,
        context: &RequestContext,
    ) -> Result<PendingSegmentation, EngineError> {
        let (sender, answer) = oneshot::channel();
        let queued = self.push(image, Task::Segment(sender), permit, context)?;
        Ok(PendingSegmentation { answer, queued })
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
        let queued = self.push(image, Task::Interpret(plan, sender), permit, context)?;
        Ok(InterpretationEvents { events, queued })
    }

    fn push(
        &self,
        image: PreparedImage,
        task: Task,
        permit: QueuePermit,
        context: &RequestContext,
    ) -> Result<QueuedEntry, EngineError> {
        let runtime = &self.0;
        let id = runtime.scheduler.push(runtime.queue, |id| Entry {
            id,
            image,
            task,
            priority: context.priority,
            deadline: context.deadline,
            queued: Instant::now(),
            unbatched: false,
            _permit: permit,
        })?;
        Ok(QueuedEntry {
            scheduler: runtime.scheduler.clone(),
            queue: runtime.queue,
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

    /// Closes the queue; queued images are still completed.
    pub fn close(&self) {
        self.scheduler.close(self.queue);
    }

    pub fn set_state(&self, state: ModelState) {
        self.state.send_replace(state);
        self.notify_observer();
    }

    /// Records a warm thread. The model is ready from the first one on.
    pub fn warmed_up(&self) {
        self.state.send_modify(|state| {
            // Under the state's lock, as in `cooled_down`, so that the last state sent is the current one.
            self.warm.fetch_add(1, Ordering::SeqCst);
            self.has_served.store(true, Ordering::SeqCst);
            *state = ModelState::Ready;
        });
        self.notify_observer();
    }

    /// Records the loss of a warm thread, which will be replaced.
    pub fn cooled_down(&self) {
        self.state.send_modify(|state| {
            if self.warm.fetch_sub(1, Ordering::SeqCst) == 1 {
                *state = ModelState::Loading;
            }
        });
        self.notify_observer();
    }

    /// Records that a thread could not be made ready. Returns whether the model has failed: it has not while other threads serve it.
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

    /// Starts or stops notifying the observer of its state.
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
        let answer = self.queued.in_time(&mut self.answer).await?;
        answer.unwrap_or(Err(EngineError::Panicked))
    }
}

impl InterpretationEvents {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// The deadline passed, the model failed, or the engine stopped. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<InterpretationEvent>, EngineError> {
        let next = self.queued.in_time(self.events.recv()).await?;
        next.transpose()
    }
}

impl QueuedEntry {
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        match self.deadline {
            None => Ok(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .map_err(|_| EngineError::DeadlineExceeded),
        }
    }
}

impl Drop for QueuedEntry {
    fn drop(&mut self) {
        self.scheduler.withdraw(self.queue, self.id);
    }
}
