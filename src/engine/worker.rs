//! The thread that owns a model: it loads it, takes batches from the queue, runs them and answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ndarray::Array3;

use super::error::EngineError;
use super::hosted::Hosted;
use super::pass::Pass;
use super::task::{Entry, Event, Plan, Scored, Task, Timing};
use crate::imaging::Image;
use crate::model::Model;
use crate::nn::threads::use_threads;

/// Side of the image that a model is warmed up with, within the sizes that it is for.
const WARM_UP_SIDE: usize = 256;
/// How long to wait before a model that could not be loaded again is tried once more.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// What is needed to make a model's thread, and to make it anew.
pub(super) struct Worker {
    pub hosted: Arc<Hosted>,
    pub model: Model,
    pub device: tch::Device,
    /// CPU threads of an operation; 0 leaves it to libtorch.
    pub threads: usize,
}

/// How a model's thread ended.
enum End {
    /// The queue is closed and empty.
    Stopped,
    /// A batch panicked; what libtorch keeps for the thread may be in any state.
    Panicked,
}

impl Worker {
    /// Starts the thread. It ends when the queue is closed and empty.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(self) -> std::io::Result<()> {
        let name = format!("model {}", self.hosted.contract().id());
        thread::Builder::new()
            .name(name)
            .spawn(move || self.run())
            .map(drop)
    }

    fn run(self) {
        use_threads(self.threads);
        match self.serve() {
            End::Stopped => self.hosted.stopped(),
            End::Panicked => {
                let hosted = self.hosted.clone();
                if let Err(error) = self.start() {
                    tracing::error!(model = %hosted.contract().id(), %error, "the model's thread could not be replaced");
                    hosted.queue.close();
                    hosted.queue.refuse_all(|| EngineError::Stopping);
                    hosted.stopped();
                }
            }
        }
    }

    fn serve(&self) -> End {
        let Some(pass) = self.load() else {
            return End::Stopped;
        };
        self.hosted.set_ready(true);
        while self.hosted.queue.wait() {
            // The turn first: what arrives while others run can then still join the batch.
            let _turn = self.hosted.turns.wait();
            let batch = self.hosted.queue.take(self.hosted.places.bounds().max_batch);
            if !batch.is_empty() && !self.run_batch(&pass, batch) {
                return End::Panicked;
            }
        }
        End::Stopped
    }

    /// Loads and warms the model, as often as it takes. `None`: the queue was closed meanwhile.
    fn load(&self) -> Option<Pass> {
        loop {
            let load = || -> Result<Pass, EngineError> {
                let pass = Pass::with_contract(&self.model, self.hosted.contract().clone(), self.device)?;
                warm_up(&pass)?;
                Ok(pass)
            };
            let error = match catch_unwind(AssertUnwindSafe(load)) {
                Ok(Ok(pass)) => return Some(pass),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a panic".into(),
            };
            tracing::error!(model = %self.hosted.contract().id(), error, "the model cannot be loaded");
            self.hosted.queue.refuse_all(|| self.hosted.not_ready());
            if self.hosted.queue.is_closed() {
                return None;
            }
            thread::sleep(RELOAD_PAUSE);
        }
    }

    /// Runs a batch and answers it. `false`: it panicked. An image whose batch failed is run once more without company, so that
    /// nobody pays for another's image.
    fn run_batch(&self, pass: &Pass, batch: Vec<Entry>) -> bool {
        let ran = catch_unwind(AssertUnwindSafe(|| self.answer(pass, &batch)));
        let failure = match ran {
            Ok(Ok(Answers::Sent)) => return true,
            Ok(Ok(Answers::Scored(answers))) => {
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
            // Before anybody hears of it: who is told of the panic must not find the model ready.
            self.hosted.panicked();
        }
        if batch.len() > 1 {
            self.hosted.queue.put_back(batch);
        } else {
            let mut failure = failure;
            for entry in batch {
                entry.refuse(failure.take().unwrap_or(EngineError::Panicked));
            }
        }
        alive
    }

    fn answer(&self, pass: &Pass, batch: &[Entry]) -> Result<Answers, EngineError> {
        let begun = Instant::now();
        let observer = &self.hosted.observer;
        let id = self.hosted.contract().id();
        observer.batch_begins(id, batch.len());
        let images: Vec<_> = batch.iter().map(|entry| &entry.image).collect();
        let plan = match &batch[0].task {
            Task::Interpret(plan, _) => Some(plan),
            Task::Segment(_) => None,
        };
        let forward = pass.forward(&images, &plan.map(Plan::taps).unwrap_or_default())?;
        let forwarded = Instant::now();
        if batch
            .iter()
            .all(|entry| entry.is_abandoned() || entry.has_expired(forwarded))
        {
            observer.batch_ended(id, forwarded - begun, Duration::ZERO);
            return if batch.len() == 1 && !batch[0].is_abandoned() {
                Err(EngineError::DeadlineExceeded)
            } else {
                Ok(Answers::Sent)
            };
        }
        let timing = |entry: &Entry, scored| Timing {
            queued: entry.queued,
            begun,
            forwarded,
            scored,
            images: batch.len(),
        };
        if let (Task::Interpret(plan, events), [entry]) = (&batch[0].task, batch) {
            let seen = pass.open(forward)?;
            let scored = Instant::now();
            observer.batch_ended(id, forwarded - begun, scored - forwarded);
            let first = Scored {
                segmentation: seen.segmentation.clone(),
                timing: timing(entry, scored),
            };
            let _ = events.send(Ok(Event::Scored(Box::new(first))));
            self.show(entry, plan, &seen, events, scored)?;
            return Ok(Answers::Sent);
        }
        let results = pass.assess(&forward)?;
        let scored = Instant::now();
        observer.batch_ended(id, forwarded - begun, scored - forwarded);
        self.hosted
            .measured((scored - begun).as_secs_f64() / batch.len() as f64);
        let answers = batch.iter().zip(results).map(|(entry, segmentation)| Scored {
            segmentation: Arc::new(segmentation),
            timing: timing(entry, scored),
        });
        Ok(Answers::Scored(answers.collect()))
    }

    /// Sends what a plan asks for, one part as soon as it is there, while somebody listens and there is time.
    fn show(
        &self,
        entry: &Entry,
        plan: &Plan,
        seen: &super::Interpretation,
        events: &tokio::sync::mpsc::UnboundedSender<Result<Event, EngineError>>,
        begun: Instant,
    ) -> Result<(), EngineError> {
        let deadline = entry.deadline;
        let still_wanted = || -> Result<bool, EngineError> {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(EngineError::DeadlineExceeded);
            }
            Ok(!events.is_closed())
        };
        let took = |from: Instant| {
            self.hosted
                .observer
                .sams(self.hosted.contract().id(), from.elapsed())
        };
        if still_wanted()? {
            let from = Instant::now();
            let shown = seen.layers(&plan.layers, plan.resolution, &|view| {
                let _ = events.send(Ok(Event::Layer(Box::new(view))));
                still_wanted().unwrap_or(false)
            });
            took(from);
            shown?;
        }
        for units in &plan.units {
            if !still_wanted()? {
                break;
            }
            let from = Instant::now();
            let choose = |scores: &[f64]| units.choice.of(scores, units.count);
            let view = seen.units(units.layer, units.class, choose, units.average)?;
            took(from);
            let _ = events.send(Ok(Event::Units(*units, Box::new(view))));
        }
        if still_wanted()? {
            let _ = events.send(Ok(Event::Done(begun.elapsed())));
        }
        Ok(())
    }
}

/// What became of a batch.
enum Answers {
    /// To be sent, one an image.
    Scored(Vec<Scored>),
    /// Nothing is left to send.
    Sent,
}

/// Runs an image of the usual size through everything, so that the first one that counts does not wait for libtorch's caches.
fn warm_up(pass: &Pass) -> Result<(), EngineError> {
    let input = &pass.manifest().input;
    let side = |axis: usize| {
        let most = input.max_size.map_or(usize::MAX, |size| size[axis]);
        let least = input.min_size.map_or(1, |size| size[axis]);
        WARM_UP_SIDE.clamp(least, most.max(least))
    };
    let (height, width) = (side(0), side(1));
    // Not constant, which some preprocessing steps rightly refuse.
    let pixels = Array3::from_shape_fn((input.channels.len(), height, width), |(_, row, column)| {
        ((row + column) % 7) as f32
    });
    let ready = pass.prepare(&Image {
        pixels,
        spacing: [1.0, 1.0],
    })?;
    let seen = pass.interpret(&ready, &[1, 18])?;
    seen.layer(18)?;
    Ok(())
}
