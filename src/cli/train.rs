//! `sagate train`: a task's images become a model.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use sagate_lab::data::Task;
use sagate_lab::train::output::{self, name_and_version};
use sagate_lab::train::{Job, Loss, Observer, Override, Recipe, Row, Samples, Start, Step, run as train};
use serde::Serialize;

use super::{Exit, UsageError, out};
use crate::config::Settings;

/// Arguments of `sagate train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --recipe, the paper's: Adam at 1e-4 halved every 20 epochs, batch 10, 50 epochs, base \
    width 64. A training can be killed at any moment and continued by --resume, with bitwise equal final weights.\n\n\
    Try it:  sagate train --task tasks/t1-brain --out models/my-brain/1 --base-width 8 --epochs 15 \
    --learning-rate 1e-3"
)]
pub struct Args {
    /// Task folder: task.toml, train/, validation/, test/
    #[arg(long, value_name = "DIR")]
    task: PathBuf,
    /// Folder of the model to write; ends in NAME/VERSION
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How to train, a TOML file
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Folder of the training's state and history.csv [default: NAME/.train/VERSION beside the model]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Go on with the training that was cut off; begin where there is none
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Forget an earlier training, and replace an earlier model
    #[arg(long)]
    restart: bool,
    /// Loss to minimise
    #[arg(long)]
    loss: Option<Loss>,
    /// Passes over the training images
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Images of a step
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,
    /// Adam's learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Channels of the network's first block
    #[arg(long, value_name = "N")]
    base_width: Option<u32>,
    /// Source of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Any other setting of the recipe, as in augmentation.rotation=5; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    model: String,
    folder: &'a Path,
    hash: &'a str,
    loss: Loss,
    best_epoch: u32,
    epochs: usize,
    validation_dice: f64,
    history: PathBuf,
}

impl Args {
    /// The flags as settings of the recipe.
    fn overrides(&self, threads: usize) -> anyhow::Result<Vec<Override>> {
        let mut overrides = Vec::new();
        for text in &self.settings {
            overrides.push(Override::parse(text).map_err(|error| UsageError(format!("--set: {error}")))?);
        }
        let flags = [
            ("loss", self.loss.map(|loss| toml::Value::from(loss.to_string()))),
            ("epochs", self.epochs.map(toml::Value::from)),
            ("batch_size", self.batch_size.map(toml::Value::from)),
            ("learning_rate", self.learning_rate.map(toml::Value::from)),
            ("base_width", self.base_width.map(toml::Value::from)),
            ("seed", self.seed.map(toml::Value::from)),
            (
                "threads",
                u32::try_from(threads)
                    .ok()
                    .filter(|&threads| threads > 0)
                    .map(toml::Value::from),
            ),
        ];
        overrides.extend(
            flags
                .into_iter()
                .filter_map(|(key, value)| Some(Override::new(key, value?))),
        );
        Ok(overrides)
    }

    fn work(&self) -> PathBuf {
        self.work.clone().unwrap_or_else(|| {
            let version = self.out.file_name().unwrap_or_default();
            self.out
                .parent()
                .unwrap_or(Path::new(""))
                .join(".train")
                .join(version)
        })
    }

    fn start(&self) -> Start {
        match (self.resume, self.restart) {
            (true, _) => Start::Resume,
            (_, true) => Start::Restart,
            _ => Start::Fresh,
        }
    }
}

/// Runs `sagate train`.
///
/// # Errors
/// A wrong recipe, a task that cannot be read, a training that is there already, a loss that stops being finite, files
/// that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let (name, version) = name_and_version(&args.out)?;
    let start = args.start();
    if start == Start::Fresh && args.out.exists() {
        let message = format!(
            "--out {}: is there already; give another version, or --restart to replace it, or --resume to finish its \
             training",
            args.out.display()
        );
        return Err(UsageError(message).into());
    }
    let device = settings.device.open()?;
    let recipe = Recipe::load(args.recipe.as_deref(), args.overrides(settings.device.threads)?)?;
    let task = Task::open(&args.task)?;
    let samples = Samples::read(&task, &recipe.preprocessing)?;
    tracing::info!(
        task = task.name(),
        train = samples.train.len(),
        validation = samples.validation.len(),
        loss = %recipe.loss,
        "training {name}@{version}"
    );
    let job = Job {
        recipe,
        samples: Arc::new(samples),
        classes: task.classes().len() as i64,
        device,
        folder: args.work(),
        start,
        snapshots: Vec::new(),
    };
    let mut watcher = Watcher {
        bar: out::progress(0, "training"),
    };
    let finished = train(&job, &mut watcher);
    watcher.bar.finish_and_clear();
    let Some(finished) = finished? else {
        return Ok(Exit::Error);
    };
    let model = output::write(&args.out, &task, &job.recipe, &finished, &command())?;
    let outcome = Outcome {
        model: model.manifest().reference(),
        folder: model.folder(),
        hash: model.hash(),
        loss: job.recipe.loss,
        best_epoch: finished.best_row.epoch,
        epochs: finished.history.len(),
        validation_dice: finished.best_row.validation_dice,
        history: job.folder.join("history.csv"),
    };
    if settings.json() {
        out::json(&outcome)?;
    } else {
        out::line(&format!(
            "{} is in {}: validation Dice {:.4} after epoch {} of {} ({})",
            outcome.model,
            outcome.folder.display(),
            outcome.validation_dice,
            outcome.best_epoch,
            outcome.epochs,
            outcome.history.display(),
        ))?;
        // The folder of models is two above NAME/VERSION.
        let models = args.out.ancestors().nth(2).unwrap_or(Path::new(""));
        let models = match models == settings.models.dir {
            true => String::new(),
            false => format!(
                " --models {}",
                if models.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    models
                }
                .display()
            ),
        };
        out::line(&format!(
            "Next: sagate calibrate{models} --model {} --data {}",
            outcome.model,
            args.task.join("validation").display(),
        ))?;
    }
    Ok(Exit::Ok)
}

/// The command line as it was given, for the model's provenance.
fn command() -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,@+".contains(it);
    let quoted = std::env::args().skip(1).map(|argument| {
        let fine = !argument.is_empty() && argument.chars().all(plain);
        if fine {
            argument
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    std::iter::once("sagate".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Shows a training: a bar where stderr is a terminal, log lines otherwise.
struct Watcher {
    bar: ProgressBar,
}

impl Observer for Watcher {
    fn begin(&mut self, step: u64, steps: u64) {
        self.bar.set_length(steps);
        self.bar.set_position(step);
        // Steps of an earlier run say nothing of this one's pace.
        self.bar.reset_eta();
        tracing::info!(step, steps, "{}", if step > 0 { "resumed" } else { "begun" });
    }

    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if !self.bar.is_hidden() {
            let dice = step
                .dice
                .map_or_else(String::new, |dice| format!(" Dice {dice:.4}"));
            self.bar.set_message(format!(
                "epoch {}/{} loss {:.4}{dice}",
                step.epoch, step.epochs, step.loss
            ));
        }
        self.bar.set_position(step.step);
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, row: &Row, best: bool) {
        if self.bar.is_hidden() {
            let left = self.bar.eta().as_secs();
            tracing::info!(
                epoch = row.epoch,
                loss = row.loss,
                validation_loss = row.validation_loss,
                validation_dice = row.validation_dice,
                best,
                seconds = row.seconds,
                seconds_left = left,
                "epoch complete"
            );
        }
    }
}
