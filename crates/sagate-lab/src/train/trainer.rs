//! The training itself: steps, epochs, saved states.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sagate_core::atomic;
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::threads::use_threads;
use sagate_core::nn::unet::UNetConfig;
use tch::Device;

use super::batch::Batch;
use super::error::TrainError;
use super::history::{Row, csv};
use super::loader::{Loader, Plan};
use super::recipe::Recipe;
use super::samples::Samples;
use super::state::{self, Position, Saved, Sums};
use super::stepper::Stepper;
use super::validation::validate;

/// What to do if the folder holds a training already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Refuse.
    Fresh,
    /// Resume it; start a new one if there is none.
    Resume,
    /// Delete it and start a new one.
    Restart,
}

/// A training to be run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The recipe.
    pub recipe: Recipe,
    /// The samples.
    pub samples: Arc<Samples>,
    /// Object classes K; labels go up to this.
    pub classes: i64,
    /// The network's device.
    pub device: Device,
    /// Folder of `state.safetensors`, `best.safetensors` and `history.csv`; made where it is missing.
    pub folder: PathBuf,
    /// What to do where it holds a training already.
    pub start: Start,
    /// Epochs, from 1, whose weights are kept in the folder besides the best, as `epoch-N.safetensors`.
    pub snapshots: Vec<u32>,
}

/// One step that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Its epoch, from 1.
    pub epoch: u32,
    /// How many epochs there will be.
    pub epochs: u32,
    /// Steps made so far.
    pub step: u64,
    /// How many steps there will be.
    pub steps: u64,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Validation Dice of the last epoch, where one is complete.
    pub dice: Option<f64>,
}

/// Observer of a training.
pub trait Observer {
    /// The training starts or resumes after `step` of `steps` steps.
    fn begin(&mut self, step: u64, steps: u64);
    /// A step was made. `Break` ends the training at once, as a kill would: nothing is saved.
    fn step(&mut self, step: &Step) -> ControlFlow<()>;
    /// An epoch is complete; `best` where its weights are the best so far.
    fn epoch(&mut self, row: &Row, best: bool);
}

/// A completed training.
#[derive(Debug)]
pub struct Finished {
    /// The network's parameters.
    pub network: UNetConfig,
    /// The weights after the epoch with the highest validation Dice, the earliest of equals.
    pub best: Weights,
    /// That epoch.
    pub best_row: Row,
    /// The weights after the last epoch.
    pub last: Weights,
    /// Every epoch.
    pub history: Vec<Row>,
}

/// The files of a training's folder.
struct Files {
    state: PathBuf,
    best: PathBuf,
    history: PathBuf,
}

impl Files {
    fn within(folder: &Path) -> Files {
        let file = |name: &str| folder.join(name);
        Files {
            state: file("state.safetensors"),
            best: file("best.safetensors"),
            history: file("history.csv"),
        }
    }
}

/// Trains by a recipe. Gives None where the observer ended it.
///
/// # Errors
/// When the recipe is out of range, the folder holds another training or cannot be written, the loss stops being finite
/// (the last good state stays), or libtorch fails.
pub fn run(job: &Job, observer: &mut dyn Observer) -> Result<Option<Finished>, TrainError> {
    job.recipe.check("recipe")?;
    use_threads(job.recipe.threads);
    let mut training = Training::open(job)?;
    let recipe = &job.recipe;
    let plan = Plan {
        samples: job.samples.clone(),
        augmentation: recipe.augmentation.clone(),
        batch_size: recipe.batch_size,
        seed: recipe.seed,
    };
    let steps = plan.steps();
    observer.begin(training.position.total_steps, steps * u64::from(recipe.epochs));
    let loader = Loader::start(
        plan,
        training.position.epoch,
        training.position.step,
        recipe.epochs,
    )
    .map_err(|_| TrainError::Loader)?;
    while training.position.epoch < recipe.epochs {
        while training.position.step < steps {
            training.step(&loader.next().ok_or(TrainError::Loader)?)?;
            if observer.step(&training.progress(steps)).is_break() {
                return Ok(None);
            }
            // The epoch's end saves a state of its own.
            let position = &training.position;
            if position.step < steps && position.total_steps.is_multiple_of(recipe.checkpoint_every) {
                training.save()?;
            }
        }
        let (row, best) = training.end_epoch()?;
        observer.epoch(&row, best);
    }
    training.finish().map(Some)
}

/// A running training.
struct Training<'a> {
    job: &'a Job,
    files: Files,
    stepper: Stepper,
    position: Position,
    /// Steps of the state on disk.
    kept: u64,
    /// Since when the seconds of the epoch's sums do not count yet.
    since: Instant,
}

impl<'a> Training<'a> {
    fn open(job: &'a Job) -> Result<Training<'a>, TrainError> {
        let config = UNetConfig {
            in_channels: job.samples.channels as i64,
            classes: job.classes,
            base_width: job.recipe.base_width,
        };
        std::fs::create_dir_all(&job.folder).map_err(|source| TrainError::Folder {
            path: job.folder.clone(),
            source,
        })?;
        let files = Files::within(&job.folder);
        let stepper = Stepper::new(&config, job.recipe.seed, job.device)?;
        let position = Position::new(&job.recipe, config, job.samples.fingerprint.clone());
        let since = Instant::now();
        let mut training = Training {
            job,
            files,
            stepper,
            position,
            kept: 0,
            since,
        };
        if job.start == Start::Restart {
            state::forget(&training.files.state)?;
        } else if let Some(saved) = state::read(&training.files.state)? {
            training.resume(saved)?;
        }
        Ok(training)
    }

    fn resume(&mut self, saved: Saved) -> Result<(), TrainError> {
        let Position {
            epoch, total_steps, ..
        } = saved.position;
        if self.job.start == Start::Fresh {
            return Err(TrainError::Occupied {
                folder: self.job.folder.clone(),
                epoch,
                step: total_steps,
            });
        }
        let path = self.files.state.clone();
        let differences = saved.position.differences(&self.position);
        if !differences.is_empty() {
            return Err(TrainError::OtherTraining { path, differences });
        }
        if epoch > self.job.recipe.epochs {
            let differences = vec![format!(
                "it has {epoch} epochs already, more than epochs asks for"
            )];
            return Err(TrainError::OtherTraining { path, differences });
        }
        if saved.position.recipe.threads != self.job.recipe.threads {
            tracing::warn!(
                before = saved.position.recipe.threads,
                now = self.job.recipe.threads,
                "resumed with another number of threads: the weights will differ in their last digits"
            );
        }
        self.stepper.begin_from(&saved.weights)?;
        let mut moments = saved.moments;
        self.stepper.adam.restore(total_steps, |name| {
            let missing = || TrainError::State {
                path: path.clone(),
                reason: format!("lacks Adam's moments of '{name}'; begin anew (--restart)"),
            };
            moments.remove(name).ok_or_else(missing)
        })?;
        self.position = saved.position;
        self.position.recipe = self.job.recipe.clone();
        self.kept = total_steps;
        Ok(())
    }

    fn step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let recipe = &self.job.recipe;
        let images = batch.len() as u64;
        let batch = batch.tensors(self.job.device)?;
        let rate = recipe.learning_rate_in(self.position.epoch);
        let loss = self.stepper.step_on(recipe, &batch, rate)?;
        if !loss.total.is_finite() {
            return Err(self.not_finite(loss.total));
        }
        let sums = &mut self.position.sums;
        sums.images += images;
        sums.loss += images as f64 * loss.total;
        sums.cross_entropy += images as f64 * loss.cross_entropy;
        sums.online += images as f64 * loss.online;
        self.position.step += 1;
        self.position.total_steps += 1;
        Ok(())
    }

    fn progress(&self, steps: u64) -> Step {
        let Position {
            epoch,
            total_steps,
            sums,
            history,
            ..
        } = &self.position;
        let epochs = self.job.recipe.epochs;
        Step {
            epoch: epoch + 1,
            epochs,
            step: *total_steps,
            steps: steps * u64::from(epochs),
            loss: sums.loss / sums.images as f64,
            dice: history.last().map(|row| row.validation_dice),
        }
    }

    /// Validates, keeps the weights where they are the best so far, and saves.
    fn end_epoch(&mut self) -> Result<(Row, bool), TrainError> {
        let recipe = &self.job.recipe;
        let score = validate(
            &self.stepper.network,
            &self.job.samples,
            recipe.batch_size,
            self.job.device,
        )?;
        if !score.loss.is_finite() {
            return Err(self.not_finite(score.loss));
        }
        self.count_seconds();
        let Sums {
            images,
            loss,
            cross_entropy,
            online,
            seconds,
        } = std::mem::take(&mut self.position.sums);
        let mean = |sum: f64| sum / images as f64;
        let row = Row {
            epoch: self.position.epoch + 1,
            step: self.position.total_steps,
            learning_rate: recipe.learning_rate_in(self.position.epoch),
            loss: mean(loss),
            cross_entropy: mean(cross_entropy),
            online: mean(online),
            validation_loss: score.loss,
            validation_dice: score.dice,
            seconds,
        };
        let best = self
            .position
            .best()
            .is_none_or(|best| row.validation_dice > best.validation_dice);
        if best {
            // Written before the state that refers to them: after a kill in between, the epoch is validated again with the same result.
            self.stepper.weights()?.write(&self.files.best, false)?;
            self.position.best_epoch = Some(row.epoch);
        }
        if self.job.snapshots.contains(&row.epoch) {
            let file = self.job.folder.join(format!("epoch-{}.safetensors", row.epoch));
            self.stepper.weights()?.write(&file, false)?;
        }
        self.position.history.push(row.clone());
        self.position.epoch += 1;
        self.position.step = 0;
        atomic::write(&self.files.history, csv(&self.position.history).as_bytes())?;
        self.save()?;
        Ok((row, best))
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.count_seconds();
        let weights = self.stepper.weights()?;
        if !state::save(&self.files.state, &self.position, &weights, &self.stepper.adam)? {
            return Err(self.not_finite(f64::NAN));
        }
        self.kept = self.position.total_steps;
        Ok(())
    }

    fn finish(self) -> Result<Finished, TrainError> {
        let lost = || TrainError::State {
            path: self.files.state.clone(),
            reason: "names no best epoch; begin anew (--restart)".to_owned(),
        };
        Ok(Finished {
            network: self.position.network,
            best: Weights::read(&self.files.best, &self.position.network)?,
            best_row: self.position.best().ok_or_else(lost)?.clone(),
            last: self.stepper.weights()?,
            history: self.position.history,
        })
    }

    fn count_seconds(&mut self) {
        self.position.sums.seconds += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
    }

    fn not_finite(&self, loss: f64) -> TrainError {
        let (epoch, step) = (self.position.epoch + 1, self.position.total_steps + 1);
        TrainError::NotFinite {
            loss,
            epoch,
            step,
            kept: self.kept,
        }
    }
}
