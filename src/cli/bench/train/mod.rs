//! `sagate bench train`: steps of a training, offline and online, against PyTorch's.

mod baseline;

use std::path::PathBuf;
use std::time::Instant;

use baseline::Baseline;
use ndarray::{Array2, Array3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::gate::evaluation::median;
use sagate_core::nn::threads::use_threads;
use sagate_core::nn::unet::UNetConfig;
use sagate_lab::train::stepper::Stepper;
use sagate_lab::train::{Loss, Recipe, Sample};
use serde::Serialize;
use tch::Device;

use super::memory;
use super::refuse;
use crate::cli::{Exit, UsageError, out};
use crate::config::Settings;

/// Arguments of `sagate bench train`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Each round times one step of each, after another that is not counted: offline and online here, offline and online in PyTorch (eager, float32; the online loss as it was
published, every feature map upsampled to the image), all with the same network, batch and threads. Medians over the rounds, and
ratios within them, are printed. The memory is the peak of one step in a process of its own, above what the network holds.

Try it:  make peers && sagate bench train --json")]
pub struct TrainArgs {
    /// Base width of the U-Net
    #[arg(long, value_name = "W", default_value_t = 16)]
    base: i64,
    /// Side of the square images, a multiple of 16
    #[arg(long, value_name = "N", default_value_t = 128)]
    size: usize,
    /// Images of a step
    #[arg(long, value_name = "B", default_value_t = 10)]
    batch: usize,
    /// Rounds, at least 3
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// A Python that can import torch
    #[arg(long, value_name = "FILE", default_value = "target/peers/bin/python")]
    python: PathBuf,
    /// Leave PyTorch out, and the ratios to it
    #[arg(long)]
    no_baseline: bool,
}

/// Arguments of `sagate bench train-memory`.
#[derive(Debug, clap::Args)]
pub struct TrainMemoryArgs {
    #[arg(long)]
    base: i64,
    #[arg(long)]
    size: usize,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    loss: Loss,
}

#[derive(Debug, Serialize)]
struct Report {
    base: i64,
    size: usize,
    batch: usize,
    rounds: usize,
    threads: i32,
    offline_ms: f64,
    online_ms: f64,
    offline_images_per_second: f64,
    /// An online step over an offline one.
    online_ratio: f64,
    /// Peak memory of an online step over that of an offline one.
    memory_ratio: f64,
    offline_bytes: u64,
    online_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineReport>,
    /// Offline images a second here over PyTorch's.
    #[serde(skip_serializing_if = "Option::is_none")]
    vs_pytorch: Option<f64>,
    /// An online step here over one with the published loss in PyTorch.
    #[serde(skip_serializing_if = "Option::is_none")]
    vs_published_online: Option<f64>,
}

#[derive(Debug, Serialize)]
struct BaselineReport {
    torch: String,
    threads: i64,
    offline_ms: f64,
    published_online_ms: f64,
}

/// Seconds of one round.
struct Round {
    offline: f64,
    online: f64,
    baseline: Option<[f64; 2]>,
}

pub(super) fn run(args: &TrainArgs, settings: &Settings) -> anyhow::Result<Exit> {
    check(args)?;
    use_threads(settings.device.threads);
    let threads = tch::get_num_threads();
    let mut baseline = match args.no_baseline {
        true => None,
        false => Some(Baseline::start(args, threads)?),
    };
    let [mut offline, mut online] = [
        Subject::new(args, Loss::Offline)?,
        Subject::new(args, Loss::Online)?,
    ];
    let mut rounds = Vec::with_capacity(args.rounds);
    // The first round warms caches, and is not counted.
    for round in 0..=args.rounds {
        let measured = Round {
            offline: offline.second_step()?,
            online: online.second_step()?,
            baseline: match &mut baseline {
                Some(baseline) => Some(baseline.steps()?),
                None => None,
            },
        };
        if round > 0 {
            rounds.push(measured);
        }
    }
    drop((offline, online));
    let bytes = [Loss::Offline, Loss::Online].map(|loss| measure_memory(args, loss, settings));
    let [offline_bytes, online_bytes] = bytes;
    let report = summary(
        args,
        threads,
        &rounds,
        baseline.as_ref(),
        [offline_bytes?, online_bytes?],
    );
    if settings.json() {
        out::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Ok)
}

fn check(args: &TrainArgs) -> Result<(), UsageError> {
    let wrong = if args.size < 32 || !args.size.is_multiple_of(16) {
        Some(("size", args.size, "a multiple of 16, at least 32"))
    } else if args.batch < 1 {
        Some(("batch", args.batch, "at least 1"))
    } else if args.rounds < 3 {
        Some(("rounds", args.rounds, "at least 3, for a median"))
    } else {
        None
    };
    refuse(wrong)
}

/// A network with a batch to learn from.
struct Subject {
    recipe: Recipe,
    samples: Vec<Sample>,
    stepper: Stepper,
}

impl Subject {
    fn new(args: &TrainArgs, loss: Loss) -> anyhow::Result<Subject> {
        Subject::of_size(args.base, args.size, args.batch, loss)
    }

    fn of_size(base: i64, size: usize, batch: usize, loss: Loss) -> anyhow::Result<Subject> {
        let config = UNetConfig {
            in_channels: 1,
            classes: 1,
            base_width: base,
        };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let samples = (0..batch).map(|_| {
            let pixels = Array3::from_shape_simple_fn((1, size, size), || random.gen_range(-2.0f32..2.0));
            let labels = Array2::from_shape_fn((size, size), |(row, column)| {
                u8::from(pixels[[0, row, column]] > 0.5)
            });
            Sample {
                pixels,
                labels,
                valid: None,
            }
        });
        Ok(Subject {
            samples: samples.collect(),
            stepper: Stepper::new(&config, 1, Device::Cpu)?,
            recipe: Recipe {
                base_width: base,
                loss,
                ..Recipe::default()
            },
        })
    }

    /// Seconds of a step after one that is not counted: the first after another's finds caches and threads as that left them.
    fn second_step(&mut self) -> anyhow::Result<f64> {
        self.step()?;
        self.step()
    }

    /// Seconds of a step.
    fn step(&mut self) -> anyhow::Result<f64> {
        let since = Instant::now();
        self.stepper
            .step(&self.recipe, &self.samples, self.recipe.learning_rate)?;
        Ok(since.elapsed().as_secs_f64())
    }
}

fn summary(
    args: &TrainArgs,
    threads: i32,
    rounds: &[Round],
    baseline: Option<&Baseline>,
    [offline_bytes, online_bytes]: [u64; 2],
) -> Report {
    let over = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of));
    let median_of = |of: &dyn Fn(&Round, [f64; 2]) -> f64| {
        let values: Option<Vec<f64>> = rounds
            .iter()
            .map(|round| Some(of(round, round.baseline?)))
            .collect();
        values.map(median)
    };
    let offline = over(&|round| round.offline);
    Report {
        base: args.base,
        size: args.size,
        batch: args.batch,
        rounds: args.rounds,
        threads,
        offline_ms: offline * 1e3,
        online_ms: over(&|round| round.online) * 1e3,
        offline_images_per_second: args.batch as f64 / offline,
        online_ratio: over(&|round| round.online / round.offline),
        memory_ratio: online_bytes as f64 / offline_bytes as f64,
        offline_bytes,
        online_bytes,
        baseline: baseline.map(|baseline| BaselineReport {
            torch: baseline.torch.clone(),
            threads: baseline.threads,
            offline_ms: median_of(&|_, [offline, _]| offline * 1e3).unwrap_or(f64::NAN),
            published_online_ms: median_of(&|_, [_, online]| online * 1e3).unwrap_or(f64::NAN),
        }),
        vs_pytorch: median_of(&|round, [offline, _]| offline / round.offline),
        vs_published_online: median_of(&|round, [_, online]| round.online / online),
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    out::line(&format!(
        "U-Net of base width {}, {size} x {size}, batch {}, {} threads, median of {} rounds",
        report.base,
        report.batch,
        report.threads,
        report.rounds,
        size = report.size
    ))?;
    let mut table = out::table(&["step", "ms"]);
    let mut row = |what: &str, ms: f64| {
        table.add_row([what.to_owned(), format!("{ms:.1}")]);
    };
    row("offline", report.offline_ms);
    row("online", report.online_ms);
    if let Some(baseline) = &report.baseline {
        row(
            &format!("PyTorch {}, offline", baseline.torch),
            baseline.offline_ms,
        );
        row(
            &format!("PyTorch {}, online as published", baseline.torch),
            baseline.published_online_ms,
        );
    }
    out::print(&table)?;
    let known =
        |ratio: Option<f64>| ratio.map_or_else(|| "left out".to_owned(), |ratio| format!("{ratio:.3}"));
    Ok(out::line(&format!(
        "vs_pytorch {}, online_ratio {:.3}, vs_published_online {}, memory_ratio {:.3}",
        known(report.vs_pytorch),
        report.online_ratio,
        known(report.vs_published_online),
        report.memory_ratio
    ))?)
}

/// Prints the peak memory of one step above what the network holds, in bytes.
pub(super) fn run_memory(args: &TrainMemoryArgs, settings: &Settings) -> anyhow::Result<Exit> {
    use_threads(settings.device.threads);
    let mut subject = Subject::of_size(args.base, args.size, args.batch, args.loss)?;
    // Moments, thread pools and oneDNN's own tables are there before the peak is taken.
    let small = Subject::of_size(args.base, 32, 1, args.loss)?;
    subject
        .stepper
        .step(&subject.recipe, &small.samples, subject.recipe.learning_rate)?;
    let bytes = memory::peak_of(|| subject.step().map(drop))?;
    out::line(&bytes.to_string())?;
    Ok(Exit::Ok)
}

/// [`run_memory`] in a new process.
fn measure_memory(args: &TrainArgs, loss: Loss, settings: &Settings) -> anyhow::Result<u64> {
    let sizes = [
        ("--base", args.base.to_string()),
        ("--size", args.size.to_string()),
        ("--batch", args.batch.to_string()),
        ("--loss", loss.to_string()),
    ];
    let mut arguments = vec!["bench".to_owned(), "train-memory".to_owned()];
    arguments.extend(
        sizes
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value]),
    );
    memory::output_of_child(&arguments, settings)
}
