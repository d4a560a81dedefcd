//! The threads that own a model's instances: each takes batches from the scheduler, runs them and answers. The first loads the model,
//! tests it and starts the others.

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

/// How long to wait before a model that could not be loaded is tried once more: twice as long each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is needed to make a model's threads, and to make one anew.
#[derive(Clone)]
pub struct Worker {
    pub host: Arc<ModelRuntime>,
    pub model: Model,
    pub placement: Placement,
    /// By how much the nice value of the threads is raised on a CPU.
    pub nice: i32,
    /// Threads in all.
    pub instances: usize,
    pub warm_up: WarmUp,
    /// Held by whatever works on this attempt to load the model, so that one which hangs is known.
    pub _attempt: Arc<()>,
}

/// How a thread ended.
enum End {
    /// The queue is closed and empty.
    Stopped,
    /// A batch panicked; what libtorch keeps for the thread may be in any state.
    Panicked,
}

impl Worker {
    /// Starts the first thread, which starts the others once the model is loaded. They end when the queue is closed and empty.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(self) -> std::io::Result<()> {
        self.host.living.store(1, Ordering::SeqCst);
        self.spawn(0)
    }

    fn spawn(&self, instance: usize) -> std::io::Result<()> {
        let name = format!("model {} {instance}", self.host.contract.id());
        let worker = self.clone();
        thread::Builder::new()
            .name(name)
            .spawn(move || worker.run(instance))
            .map(drop)
    }

    fn run(self, instance: usize) {
        // Before libtorch starts threads of this one, which take after it. A thread that feeds a GPU computes nothing.
        if self.placement.device == tch::Device::Cpu {
            lower_priority(self.nice);
        }
        match self.serve(instance) {
            End::Stopped => self.ended(),
            End::Panicked => {
                if let Err(error) = self.spawn(instance) {
                    tracing::error!(model = %self.host.contract.id(), %error, "a thread of the model could not be replaced");
                    self.ended();
                }
            }
        }
    }

    /// One thread less; the last one closes the door.
    fn ended(&self) {
        let host = &self.host;
        if host.living.fetch_sub(1, Ordering::SeqCst) == 1 {
            host.close();
            host.scheduler.remove(host.queue);
            host.set_state(ModelState::Stopped);
        }
    }

    fn serve(&self, instance: usize) -> End {
        let Some(pass) = self.ready_pass(instance) else {
            return End::Stopped;
        };
        // Threads of the warm-up.
        release_omp_threads();
        let host = &self.host;
        host.warmed_up();
        let (mailbox, mut done) = (Arc::default(), None);
        while let Some(mut lease) = host.scheduler.next(host.queue, &mailbox, done.take()) {
            use_threads_here(lease.threads());
            let batch = still_wanted(lease.take_batch());
            if !batch.is_empty() && !self.run_batch(&pass, &lease, batch) {
                return End::Panicked;
            }
            done = Some(lease);
        }
        host.warm.fetch_sub(1, Ordering::SeqCst);
        End::Stopped
    }

    /// A pass that is loaded, tested and warm, as often as that takes. `None`: the queue was closed meanwhile.
    fn ready_pass(&self, instance: usize) -> Option<ModelExecutor> {
        let host = &self.host;
        let mut pause = PAUSE;
        loop {
            let error = match catch_unwind(AssertUnwindSafe(|| self.prepare(instance))) {
                Ok(Ok(pass)) => return Some(pass),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a panic".into(),
            };
            tracing::error!(model = %host.contract.id(), error, "the model cannot be loaded");
            if host.failed(&error) {
                host.scheduler.refuse_all(host.queue, || host.not_ready());
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if host.scheduler.is_closed(host.queue) {
                    return None;
                }
                thread::sleep(Duration::from_millis(50));
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn prepare(&self, instance: usize) -> Result<ModelExecutor, ExecutorError> {
        let host = &self.host;
        use_own_stream(self.placement.device)?;
        let mut net = host.net.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = net.as_ref() {
            let pass = ModelExecutor::sharing(loaded, host.contract.clone());
            // Others may share it while this one warms up.
            drop(net);
            self.warm_up.again(&pass)?;
            return Ok(pass);
        }
        let pass = ModelExecutor::with_spec(&self.model, host.contract.clone(), self.placement)?;
        if let Some(golden) = self.model.golden()? {
            self_test(&pass, &golden)?;
        }
        self.warm_up.first(&pass, |work, seconds| {
            host.scheduler.measured(host.queue, work, seconds);
        })?;
        finish_stream(self.placement.device)?;
        *net = Some(pass.share_net());
        drop(net);
        for other in (0..self.instances).filter(|&other| other != instance) {
            host.living.fetch_add(1, Ordering::SeqCst);
            if let Err(error) = self.spawn(other) {
                host.living.fetch_sub(1, Ordering::SeqCst);
                tracing::warn!(model = %host.contract.id(), %error, "fewer threads than wanted run the model");
            }
        }
        Ok(pass)
    }

    /// Runs a batch and answers it. `false`: it panicked. An image whose batch failed is run once more in a batch of its
    /// own, so that no image fails because of another.
    fn run_batch(&self, pass: &ModelExecutor, lease: &BatchLease, batch: Vec<Entry>) -> bool {
        let host = &self.host;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            batch::run(host, pass, lease.threads(), &batch)
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
            tracing::error!(model = %host.contract.id(), "a thread of the model panicked and is replaced");
            host.observer.panicked(host.contract.id());
            // Before any caller is told of the panic: it must not find a model ready that has no thread.
            host.cooled_down();
        }
        if batch.len() > 1 {
            host.scheduler.put_back(host.queue, batch);
        } else {
            let mut failure = failure;
            for entry in batch {
                entry.refuse(failure.take().unwrap_or(EngineError::Panicked));
            }
        }
        alive
    }
}

/// Drops what nobody waits for, and refuses what has expired.
fn still_wanted(batch: Vec<Entry>) -> Vec<Entry> {
    let now = Instant::now();
    let (wanted, over): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|entry| !entry.is_abandoned() && !entry.has_expired(now));
    for entry in over {
        entry.refuse(EngineError::DeadlineExceeded);
    }
    wanted
}
