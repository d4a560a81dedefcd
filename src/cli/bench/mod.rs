//! `sagate bench`: what the scores cost beside the network and the service around both, as ratios of one run.

mod load;
mod memory;
mod network;
mod serve;
mod subject;

use super::Exit;
use crate::config::Settings;

/// Arguments of `sagate bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The network's forms, mu and all SAMs, and the memory that they take
    Network(network::NetworkArgs),
    /// The service around a model, over gRPC: throughput, latency, and what is lost on the way
    Serve(serve::ServeArgs),
    /// Peak memory of one segmentation, in a process of its own (`network` starts it)
    #[command(hide = true)]
    Memory(memory::MemoryArgs),
}

/// Runs `sagate bench`.
///
/// # Errors
/// Arguments out of range, or libtorch failing (out of memory).
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    match args.what {
        What::Network(args) => network::run(&args, settings),
        What::Serve(args) => serve::run(&args, settings),
        What::Memory(args) => memory::run(&args, settings),
    }
}

/// The middle of some values, the mean of the middle two where they are even; NaN without any.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => (lower + upper) / 2.0,
        _ => f64::NAN,
    }
}
