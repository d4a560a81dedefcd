//! Worker threads. Each owns an instance of a model, takes batches from the scheduler, runs them and sends the answers. The first loads
//! the model, runs its self-test and starts the others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sagate_core::executor::{ExecutorError, ModelExecutor, self_test};
use sagate_core::model::Model;
use sagate_core::nn::placement::Placement;
use sagate_core::nn::stream::{finish_stream, use_own_stream};
use sagate_core::nn::threads::{lower_priority, release_omp_threads, use_threads_here};

use super::batch::{self, Outcome};
use super::handle::{ModelRuntime, ModelState};
use super::warm_up::WarmUp;
use crate::engine::error::EngineError;
use crate::engine::scheduling::lease::BatchLease;
use crate::engine::scheduling::task::{Entry, Task};

/// Delay before a failed load is retried: doubled each time, up to the maximum.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// Everything needed to start a thread of a model, or to replace one.
#[derive(Clone)]
pub struct Worker {
    pub runtime: Arc<ModelRuntime>,
    pub model: Model,
    pub placement: Placement,
    /// Increment of the threads' nice value on a CPU.
    pub nice: i32,
    /// Threads in all.
    pub instances: usize,
    pub warm_up: WarmUp,
    /// Held while a thread works on this load attempt, which makes a hanging load detectable.
    pub _attempt: Arc<()>,
}

/// Why a thread ended.
enum ThreadEnd {
    /// The queue is closed and empty.
    Stopped,
    /// A batch panicked. libtorch's thread-local state may be inconsistent.
    Panicked,
}

impl Worker {
    /// Starts the first thread, which starts the others once the model is loaded. They end when the queue is closed and empty.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(self) -> std::io::Result<()> {
        self.runtime.living.store(1, Ordering::SeqCst);
        self.spawn(0)
    }

    fn spawn(&self, instance: usize) -> std::io::Result<()> {
        let name = format!("model {} {instance}", self.runtime.contract.id());
        let worker = self.clone();
        thread::Builder::new()
            .name(name)
            .spawn(move || worker.run(instance))
            .map(drop)
    }

    fn run(self, instance: usize) {
        // Before libtorch starts threads from this one, which inherit the nice value. A thread that feeds a GPU computes nothing.
        if self.placement.device == tch::Device::Cpu {
            lower_priority(self.nice);
        }
        match self.serve(instance) {
            ThreadEnd::Stopped => self.ended(),
            ThreadEnd::Panicked => {
                if let Err(error) = self.spawn(instance) {
                    tracing::error!(model = %self.runtime.contract.id(), %error, "a thread of the model could not be replaced");
                    self.ended();
                }
            }
        }
    }

    /// Records the end of a thread. The last one closes the queue.
    fn ended(&self) {
        let runtime = &self.runtime;
        if runtime.living.fetch_sub(1, Ordering::SeqCst) == 1 {
            runtime.close();
            runtime.scheduler.remove(runtime.queue);
            runtime.set_state(ModelState::Stopped);
        }
    }

    fn serve(&self, instance: usize) -> ThreadEnd {
        let Some(executor) = self.ready_executor(instance) else {
            return ThreadEnd::Stopped;
        };
        // OpenMP threads of the warm-up.
        release_omp_threads();
        let runtime = &self.runtime;
        runtime.warmed_up();
        let (mailbox, mut done) = (Arc::default(), None);
        while let Some(mut lease) = runtime.scheduler.next(runtime.queue, &mailbox, done.take()) {
            use_threads_here(lease.threads());
            let batch = drop_expired(lease.take_batch());
            if !batch.is_empty() && !self.run_batch(&executor, &lease, batch) {
                return ThreadEnd::Panicked;
            }
            done = Some(lease);
        }
        runtime.warm.fetch_sub(1, Ordering::SeqCst);
        ThreadEnd::Stopped
    }

    /// Loads, tests and warms up an executor, and retries until that succeeds. `None`: the queue was closed meanwhile.
    fn ready_executor(&self, instance: usize) -> Option<ModelExecutor> {
        let runtime = &self.runtime;
        let mut pause = FIRST_RETRY_DELAY;
        loop {
            let error = match catch_unwind(AssertUnwindSafe(|| self.prepare(instance))) {
                Ok(Ok(executor)) => return Some(executor),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a panic".into(),
            };
            tracing::error!(model = %runtime.contract.id(), error, "the model cannot be loaded");
            if runtime.failed(&error) {
                runtime
                    .scheduler
                    .refuse_all(runtime.queue, || runtime.not_ready());
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if runtime.scheduler.is_closed(runtime.queue) {
                    return None;
                }
                thread::sleep(Duration::from_millis(50));
            }
            pause = (2 * pause).min(MAX_RETRY_DELAY);
        }
    }

    fn prepare(&self, instance: usize) -> Result<ModelExecutor, ExecutorError> {
        let runtime = &self.runtime;
        use_own_stream(self.placement.device)?;
        let mut net = runtime.net.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = net.as_ref() {
            let executor = ModelExecutor::sharing(loaded, runtime.contract.clone());
            // Other threads may share the network while this one warms up.
            drop(net);
            self.warm_up.again(&executor)?;
            return Ok(executor);
        }
        let executor = ModelExecutor::with_spec(&self.model, runtime.contract.clone(), self.placement)?;
        if let Some(golden) = self.model.golden()? {
            self_test(&executor, &golden)?;
        }
        self.warm_up.first(&executor, |work, seconds| {
            runtime.scheduler.measured(runtime.queue, work, seconds);
        })?;
        finish_stream(self.placement.device)?;
        *net = Some(executor.share_net());
        drop(net);
        for other in (0..self.instances).filter(|&other| other != instance) {
            runtime.living.fetch_add(1, Ordering::SeqCst);
            if let Err(error) = self.spawn(other) {
                runtime.living.fetch_sub(1, Ordering::SeqCst);
                tracing::warn!(model = %runtime.contract.id(), %error, "fewer threads than wanted run the model");
            }
        }
        Ok(executor)
    }

    /// Runs a batch and sends its answers. `false`: it panicked. The images of a failed batch are run once more, each in a batch of its own,
    /// so that no image fails because of another.
    fn run_batch(&self, executor: &ModelExecutor, lease: &BatchLease, batch: Vec<Entry>) -> bool {
        let runtime = &self.runtime;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            batch::run(runtime, executor, lease.threads(), &batch)
        }));
        let failure = match ran {
            Ok(Ok(Outcome::Sent)) => return true,
            Ok(Ok(Outcome::Late)) => {
                for entry in batch {
                    entry.refuse(EngineError::DeadlineExceeded);
                }
                return true;
            }
            Ok(Ok(Outcome::Scored(answers, _outputs))) => {
                for (entry, scored) in batch.into_iter().zip(answers) {
                    if let Task::Segment(answer) = entry.task {
                        // The caller may have gone away meanwhile.
                        let _ = answer.send(Ok(scored));
                    }
                }
                return true;
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let alive = failure.is_some();
        if !alive {
            tracing::error!(model = %runtime.contract.id(), "a thread of the model panicked and is replaced");
            runtime.observer.panicked(runtime.contract.id());
            // Before the callers get the error: a model without a thread must not appear ready to them.
            runtime.cooled_down();
        }
        if batch.len() > 1 {
            runtime.scheduler.put_back(runtime.queue, batch);
        } else {
            let mut failure = failure;
            for entry in batch {
                entry.refuse(failure.take().unwrap_or(EngineError::Panicked));
            }
        }
        alive
    }
}

/// Drops abandoned entries and refuses expired ones.
fn drop_expired(batch: Vec<Entry>) -> Vec<Entry> {
    let now = Instant::now();
    let (wanted, over): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|entry| !entry.is_abandoned() && !entry.has_expired(now));
    for entry in over {
        entry.refuse(EngineError::DeadlineExceeded);
    }
    wanted
}
