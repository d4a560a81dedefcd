//! Peak memory of one image, measured in a process of its own that keeps nothing it has freed.

use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;
use protoseg::{MaskKind, Prediction, ProtoSeg, mean_sa};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::layers::LAYER_COUNT;
use sagate_core::nn::unet::{UNet, UNetConfig};
use tch::{Device, Kind, Tensor, nn};

use super::network::NetworkArgs;
use crate::cli::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate bench memory`.
#[derive(Debug, clap::Args)]
pub struct MemoryArgs {
    #[arg(long)]
    base: i64,
    #[arg(long)]
    size: i64,
    #[arg(long)]
    taps: Taps,
}

/// What the network gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Taps {
    /// Only its output.
    None,
    /// The two taps of mu, and mu is computed.
    Mu,
}

impl Taps {
    fn name(self) -> &'static str {
        match self {
            Taps::None => "none",
            Taps::Mu => "mu",
        }
    }
}

/// Options of jemalloc for a process whose memory is measured. Freed memory is returned to the kernel at once, so that
/// it does not distort the peak; huge pages are off, because the kernel may refill one at any moment.
const MALLOC_CONF: &str = "dirty_decay_ms:0,muzzy_decay_ms:0,thp:never";

/// Measures and prints the bytes.
pub(super) fn run(args: &MemoryArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let placement = settings.device.placement()?;
    let _no_grad = tch::no_grad_guard();
    let config = UNetConfig {
        in_channels: 1,
        classes: 1,
        base_width: args.base,
    };
    let inference = {
        let store = nn::VarStore::new(Device::Cpu);
        UNet::new(&store.root(), &config, 1)?;
        InferenceNet::new(&Weights::from_store(&store)?, &config, placement)?
    };
    // Thread pools, code, oneDNN's own tables and the weights in the order for this size are allocated before the peak is measured.
    segment(&inference, args.size, args.taps)?;
    let bytes = peak_of(|| segment(&inference, args.size, args.taps))?;
    out::line(&bytes.to_string())?;
    Ok(Exit::Ok)
}

/// The peak memory of some work above what is held before it, in bytes.
pub(super) fn peak_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    // Resets the peak.
    std::fs::write("/proc/self/clear_refs", "5")
        .context("the peak cannot be reset in /proc/self/clear_refs")?;
    let held = status("VmRSS")?;
    work()?;
    Ok(status("VmHWM")?.saturating_sub(held))
}

fn segment(inference: &InferenceNet, size: i64, taps: Taps) -> anyhow::Result<()> {
    let last = [LAYER_COUNT - 1, LAYER_COUNT];
    let image = Tensor::f_randn([1, 1, size, size], (Kind::Float, Device::Cpu))?;
    let output = inference.forward(&image, if taps == Taps::Mu { &last } else { &[] })?;
    if taps == Taps::Mu {
        let reference = Prediction::new(&output.probability, output.valid.as_ref(), MaskKind::Hard)?;
        let units: Result<Vec<_>, _> = output
            .taps
            .values()
            .map(|tap| ProtoSeg::default().units(tap, &reference))
            .collect();
        mean_sa(&units?);
    }
    Ok(())
}

/// A figure of this process in bytes, as the kernel states it.
fn status(field: &str) -> anyhow::Result<u64> {
    let text =
        std::fs::read_to_string("/proc/self/status").context("memory is read from /proc/self/status")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.with_context(|| format!("/proc/self/status has no {field}"))? * 1024)
}

/// The peak of a segmentation in a new process.
pub(super) fn measure_in_child(args: &NetworkArgs, taps: Taps, settings: &Settings) -> anyhow::Result<u64> {
    let (base, size) = (args.base.to_string(), args.size.to_string());
    let arguments = [
        "bench",
        "memory",
        "--base",
        &base,
        "--size",
        &size,
        "--taps",
        taps.name(),
    ];
    output_of_child(&arguments.map(str::to_owned), settings)
}

/// The bytes that this program prints when it is called with some arguments, on the CPU, in a new process.
pub(super) fn output_of_child(arguments: &[String], settings: &Settings) -> anyhow::Result<u64> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let output = Command::new(program)
        .args(arguments)
        .args([
            "--device",
            "cpu",
            "--threads",
            &settings.device.threads.to_string(),
            "--convolutions",
            settings.device.convolutions.name(),
        ])
        .env("MALLOC_CONF", MALLOC_CONF)
        .output()
        .context("the process that measures memory could not be started")?;
    if !output.status.success() {
        bail!(
            "the process that measures memory failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .with_context(|| format!("the process that measures memory said `{}`", text.trim()))
}
