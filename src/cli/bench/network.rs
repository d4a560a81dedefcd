//! `sagate bench network`: times and memory of a network with random weights.

use std::time::Instant;

use protoseg::{MaskKind, Prediction, ProtoSeg, mean_sa};
use sagate_core::gate::evaluation::median;
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::layers::LAYER_COUNT;
use sagate_core::nn::placement::{Placement, Precision};
use sagate_core::nn::unet::{UNet, UNetConfig};
use serde::Serialize;
use tch::{Device, Kind, Tensor, nn};

use super::memory::{self, Taps};
use super::refuse;
use crate::cli::{Exit, UsageError, out};
use crate::config::Settings;

/// Arguments of `sagate bench network`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
All parts are timed in turn in every round of one process; the medians and their ratios are printed. The weights are random and
the network's answer is a round blob, since the time depends on neither; the memory is that of one image in processes of their
own, above what the loaded model holds.

Try it:  sagate bench network --base 16 --size 256 --batch 1 --json")]
pub struct NetworkArgs {
    /// Base width of the U-Net
    #[arg(long, value_name = "W", default_value_t = 16)]
    pub base: i64,
    /// Side of the square image, a multiple of 16
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub size: i64,
    /// Images in a batch
    #[arg(long, value_name = "B", default_value_t = 1)]
    pub batch: i64,
    /// Rounds, at least 7
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub rounds: usize,
    /// Leave out the memory
    #[arg(long)]
    pub no_memory: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    base: i64,
    size: i64,
    batch: i64,
    rounds: usize,
    device: String,
    precision: &'static str,
    convolutions: &'static str,
    threads: i32,
    /// Eager operations with batch norm and ReLU apart.
    forward_training_ms: f64,
    /// The inference form, giving the two taps of mu.
    forward_ms: f64,
    /// From the two taps to mu.
    mu_ms: f64,
    /// All 18 SAMs at image resolution, with probabilities and scores, from the taps.
    sams_ms: f64,
    mu_ratio: f64,
    sams_ratio: f64,
    fold_ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryReport>,
}

/// Peak memory of one image above what the loaded model holds, in bytes.
#[derive(Debug, Serialize)]
struct MemoryReport {
    network_bytes: u64,
    segmentation_bytes: u64,
    ratio: f64,
}

/// The network in both forms with an input and the answer that it is taken to give.
struct Subject {
    training: UNet,
    inference: InferenceNet,
    image: Tensor,
    probability: Tensor,
}

pub(super) fn run(args: &NetworkArgs, settings: &Settings) -> anyhow::Result<Exit> {
    check(args)?;
    let report = measure(args, settings.device.placement()?, settings)?;
    if settings.json() {
        out::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Ok)
}

pub(super) fn check(args: &NetworkArgs) -> Result<(), UsageError> {
    let wrong = if args.size < 16 || args.size % 16 != 0 {
        Some(("size", args.size, "a multiple of 16"))
    } else if args.batch < 1 {
        Some(("batch", args.batch, "at least 1"))
    } else if args.rounds < 7 {
        Some((
            "rounds",
            args.rounds as i64,
            "at least 7, for a median that holds",
        ))
    } else {
        None
    };
    refuse(wrong)
}

impl Subject {
    fn new(args: &NetworkArgs, placement: Placement) -> anyhow::Result<Subject> {
        let device = placement.device;
        let config = UNetConfig {
            in_channels: 1,
            classes: 1,
            base_width: args.base,
        };
        let store = nn::VarStore::new(device);
        let training = UNet::new(&store.root(), &config, 1)?;
        let inference = InferenceNet::new(&Weights::from_store(&store)?, &config, placement)?;
        let shape = [args.batch, 1, args.size, args.size];
        tch::manual_seed(1);
        let image = Tensor::f_randn(shape, (Kind::Float, device))?;
        Ok(Subject {
            training,
            inference,
            image,
            probability: blob(args, device)?,
        })
    }
}

/// A round object with a soft edge that covers a tenth of the image.
fn blob(args: &NetworkArgs, device: Device) -> anyhow::Result<Tensor> {
    let line = Tensor::f_linspace(-1.0, 1.0, args.size, (Kind::Float, device))?;
    let squares = line.f_square()?;
    let radius = squares
        .f_unsqueeze(0)?
        .f_add(&squares.f_unsqueeze(1)?)?
        .f_sqrt()?;
    let probability = radius
        .f_mul_scalar(-40.0)?
        .f_add_scalar(40.0 * 0.36)?
        .f_sigmoid()?;
    Ok(probability
        .f_expand([args.batch, 1, args.size, args.size], false)?
        .f_contiguous()?)
}

fn measure(args: &NetworkArgs, placement: Placement, settings: &Settings) -> anyhow::Result<Report> {
    let device = placement.device;
    let _no_grad = tch::no_grad_guard();
    let subject = Subject::new(args, placement)?;
    let method = ProtoSeg::default();
    let all: Vec<usize> = (1..=LAYER_COUNT).collect();
    let last = [LAYER_COUNT - 1, LAYER_COUNT];
    let taps = subject.inference.forward(&subject.image, &all)?.taps;
    let time = |work: &mut dyn FnMut() -> anyhow::Result<()>| -> anyhow::Result<f64> {
        synchronize(device);
        let begin = Instant::now();
        work()?;
        synchronize(device);
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    };
    let mut times: [Vec<f64>; 4] = Default::default();
    // The first round warms caches and thread pools, and is not counted.
    for round in 0..=args.rounds {
        let measured = [
            time(&mut || {
                subject.training.forward_t(&subject.image, false)?;
                Ok(())
            })?,
            time(&mut || {
                subject.inference.forward(&subject.image, &last)?;
                Ok(())
            })?,
            time(&mut || {
                let reference = Prediction::new(&subject.probability, None, MaskKind::Hard)?;
                let units: Result<Vec<_>, _> = last
                    .iter()
                    .map(|layer| method.units(&taps[layer], &reference))
                    .collect();
                mean_sa(&units?);
                Ok(())
            })?,
            time(&mut || {
                let reference = Prediction::new(&subject.probability, None, MaskKind::Hard)?;
                let taps: Vec<(&Tensor, _)> = taps.values().map(|tap| (tap, None)).collect();
                Ok(method.layers(&taps, &reference, &|_, _| true)?)
            })?,
        ];
        if round > 0 {
            times
                .iter_mut()
                .zip(measured)
                .for_each(|(times, time)| times.push(time));
        }
    }
    let [training, forward, mu, sams] = times.map(median);
    let memory =
        if args.no_memory || placement.device != Device::Cpu || placement.precision != Precision::Float32 {
            None
        } else {
            Some(memory(args, settings)?)
        };
    Ok(Report {
        base: args.base,
        size: args.size,
        batch: args.batch,
        rounds: args.rounds,
        device: format!("{device:?}"),
        precision: placement.precision.name(),
        convolutions: placement.convolutions.name(),
        threads: tch::get_num_threads(),
        forward_training_ms: training,
        forward_ms: forward,
        mu_ms: mu,
        sams_ms: sams,
        mu_ratio: mu / forward,
        sams_ratio: sams / forward,
        fold_ratio: forward / training,
        memory,
    })
}

fn memory(args: &NetworkArgs, settings: &Settings) -> anyhow::Result<MemoryReport> {
    let network_bytes = memory::measure_in_child(args, Taps::None, settings)?;
    let segmentation_bytes = memory::measure_in_child(args, Taps::Mu, settings)?;
    Ok(MemoryReport {
        network_bytes,
        segmentation_bytes,
        ratio: segmentation_bytes as f64 / network_bytes as f64,
    })
}

fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    out::line(&format!(
        "U-Net of base width {} at {size} x {size}, batch {}, {}, {}, convolutions by {}, {} threads, median of {} rounds",
        report.base,
        report.batch,
        report.device,
        report.precision,
        report.convolutions,
        report.threads,
        report.rounds,
        size = report.size
    ))?;
    let mut table = out::table(&["", "ms", "ratio"]);
    table.add_row([
        "forward, training form",
        &format!("{:.2}", report.forward_training_ms),
        "1",
    ]);
    let ratio = format!("{:.3} of the training form", report.fold_ratio);
    table.add_row([
        "forward, inference form",
        &format!("{:.2}", report.forward_ms),
        &ratio,
    ]);
    let ratio = format!("{:.4} of the forward", report.mu_ratio);
    table.add_row(["mu from two taps", &format!("{:.2}", report.mu_ms), &ratio]);
    let ratio = format!("{:.4} of the forward", report.sams_ratio);
    table.add_row(["18 SAMs at image size", &format!("{:.2}", report.sams_ms), &ratio]);
    out::print(&table)?;
    if let Some(memory) = &report.memory {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        out::line(&format!(
            "peak memory of one image: network {:.1} MiB, segmentation with mu {:.1} MiB, ratio {:.3}",
            mib(memory.network_bytes),
            mib(memory.segmentation_bytes),
            memory.ratio
        ))?;
    }
    Ok(())
}
