//! One version of a model that answers: its state, its places, and the way in.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sagate_core::executor::{Contract, Ready};
use sagate_core::nn::inference::InferenceNet;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::EngineError;
use super::observer::Observer;
use super::pace;
use super::place::{Client, Place, Places, Usage};
use super::priority::Priority;
use super::scheduler::{QueueId, Scheduler};
use super::task::{Entry, Event, Plan, Scored, Task};

/// A model that answers, from any thread. When the last that holds it lets it go, nothing more can come: what waits is done, then its
/// threads end.
pub struct Hosted(pub(super) Arc<Host>);

/// What a model's threads share with those who ask it.
pub(super) struct Host {
    pub contract: Arc<Contract>,
    pub queue: QueueId,
    pub scheduler: Arc<Scheduler>,
    pub places: Arc<Places>,
    pub observer: Arc<dyn Observer>,
    pub state: watch::Sender<State>,
    /// Whether the observer is told of its state: not before it takes requests, and not after another has taken its place.
    pub heard: AtomicBool,
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
pub enum State {
    /// It is being loaded, tested and warmed up.
    Loading,
    /// It answers.
    Ready,
    /// It cannot be loaded, or failed its self-test: why. It is tried again as long as it is wanted.
    Failed(Arc<str>),
    /// Its threads have ended.
    Stopped,
}

/// How many threads run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// Those that take batches now.
    pub ready: usize,
    /// Those that shall.
    pub wanted: usize,
}

/// Who asks, how urgently, and for how long.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Whose bounds the image counts against.
    pub client: Client,
    /// How urgent it is.
    pub priority: Priority,
    /// When the caller stops waiting; `None`: never.
    pub deadline: Option<Instant>,
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
    scheduler: Arc<Scheduler>,
    queue: QueueId,
    id: u64,
    deadline: Option<Instant>,
}

impl Hosted {
    /// What is known of the model without its network.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.0.contract
    }

    /// How it is.
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// [`Hosted::state`], to be waited for.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Whether it answers.
    pub fn is_ready(&self) -> bool {
        *self.0.state.borrow() == State::Ready
    }

    /// Whether it is being loaded for the first time.
    pub fn is_starting(&self) -> bool {
        *self.0.state.borrow() == State::Loading && !self.0.has_served.load(Ordering::SeqCst)
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
        let settled = state.wait_for(|state| *state != State::Loading).await;
        match settled.as_deref() {
            Ok(State::Ready) => Ok(()),
            Ok(State::Failed(reason)) => Err(EngineError::NotLoaded {
                model: self.contract().id().to_string(),
                reason: reason.to_string(),
            }),
            Ok(State::Loading | State::Stopped) | Err(_) => Err(EngineError::Stopping),
        }
    }

    /// What its images take of the bounds.
    pub fn usage(&self) -> Usage {
        self.0.places.usage(self.contract().id())
    }

    /// Takes a place for an image of so many bytes, before anything is done with it.
    ///
    /// # Errors
    /// The model is not ready, no place is left, the image is too large, or what waits already takes longer than the caller waits.
    pub fn admit(&self, bytes: u64, asker: &Asker) -> Result<Place, EngineError> {
        let host = &self.0;
        if host.scheduler.is_closed(host.queue) {
            return Err(EngineError::Stopping);
        }
        if !self.is_ready() {
            return Err(host.not_ready());
        }
        host.scheduler
            .foresee(host.queue, asker.priority, asker.deadline)?;
        let retry = || pace::retry(host.scheduler.wait_seconds(host.queue, asker.priority));
        host.places
            .take(self.contract().id(), &asker.client, bytes, retry)
    }

    /// Queues an image for segmentation.
    ///
    /// # Errors
    /// The engine is stopping, the image does not fit into memory, or cannot be done in time.
    pub fn segment(&self, image: Ready, place: Place, asker: &Asker) -> Result<Pending, EngineError> {
        let (sender, answer) = oneshot::channel();
        let waiting = self.push(image, Task::Segment(sender), place, asker)?;
        Ok(Pending { answer, waiting })
    }

    /// Queues an image for interpretation.
    ///
    /// # Errors
    /// As [`Hosted::segment`].
    pub fn interpret(
        &self,
        image: Ready,
        plan: Plan,
        place: Place,
        asker: &Asker,
    ) -> Result<Events, EngineError> {
        let (sender, events) = mpsc::unbounded_channel();
        let waiting = self.push(image, Task::Interpret(plan, sender), place, asker)?;
        Ok(Events { events, waiting })
    }

    fn push(&self, image: Ready, task: Task, place: Place, asker: &Asker) -> Result<Waiting, EngineError> {
        let host = &self.0;
        let id = host.scheduler.push(host.queue, |id| Entry {
            id,
            image,
            task,
            priority: asker.priority,
            deadline: asker.deadline,
            queued: Instant::now(),
            alone: false,
            _place: place,
        })?;
        Ok(Waiting {
            scheduler: host.scheduler.clone(),
            queue: host.queue,
            id,
            deadline: asker.deadline,
        })
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Host {
    pub fn not_ready(&self) -> EngineError {
        EngineError::NotReady {
            model: self.contract.id().to_string(),
        }
    }

    /// Takes nothing more; what waits is still done.
    pub fn close(&self) {
        self.scheduler.close(self.queue);
    }

    pub fn set_state(&self, state: State) {
        self.state.send_replace(state);
        self.tell();
    }

    /// One more thread is warm: from the first on the model answers.
    pub fn warmed_up(&self) {
        self.state.send_modify(|state| {
            // Under the state's lock, as in `cooled_down`: what is said last is what is.
            self.warm.fetch_add(1, Ordering::SeqCst);
            self.has_served.store(true, Ordering::SeqCst);
            *state = State::Ready;
        });
        self.tell();
    }

    /// One warm thread less, which is to be replaced.
    pub fn cooled_down(&self) {
        self.state.send_modify(|state| {
            if self.warm.fetch_sub(1, Ordering::SeqCst) == 1 {
                *state = State::Loading;
            }
        });
        self.tell();
    }

    /// A thread could not be made ready. Whether that is the model's failure: where other threads run it, it answers all the same.
    pub fn failed(&self, reason: &str) -> bool {
        let failed = self.state.send_if_modified(|state| {
            let failed = self.warm.load(Ordering::SeqCst) == 0;
            if failed {
                *state = State::Failed(reason.into());
            }
            failed
        });
        self.tell();
        failed
    }

    pub fn instances(&self) -> Instances {
        Instances {
            ready: self.warm.load(Ordering::SeqCst),
            wanted: self.wanted,
        }
    }

    /// Begins to tell the observer of its state, or ends it.
    pub fn hear(&self, heard: bool) {
        self.heard.store(heard, Ordering::SeqCst);
        self.tell();
    }

    fn tell(&self) {
        if self.heard.load(Ordering::SeqCst) {
            let ready = *self.state.borrow() == State::Ready;
            self.observer.ready(self.contract.id(), ready);
            self.observer.instances(self.contract.id(), self.instances());
        }
    }

    /// Waits until its threads have ended.
    pub async fn ended(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| *state == State::Stopped).await;
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
        self.scheduler.withdraw(self.queue, self.id);
    }
}
