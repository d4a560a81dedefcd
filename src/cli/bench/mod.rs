//! `sagate bench`: what the scores cost beside the network and the service around both, as ratios of one run.

mod delay;
mod link;
mod load;
mod memory;
mod network;
mod serve;
mod server;
mod subject;
#[cfg(feature = "lab")]
mod train;

use super::{Exit, UsageError};
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
    /// How much one stream carries over a link with a delay, against many connections
    Link(link::LinkArgs),
    /// Steps of a training, offline and online, against PyTorch's
    #[cfg(feature = "lab")]
    Train(train::TrainArgs),
    /// Steps of a training, offline and online, against PyTorch's
    #[cfg(not(feature = "lab"))]
    Train(super::no_lab::Args),
    /// Peak memory of one step of a training, in a process of its own (`train` starts it)
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    TrainMemory(train::TrainMemoryArgs),
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
        What::Link(args) => link::run(&args, settings),
        #[cfg(feature = "lab")]
        What::Train(args) => train::run(&args, settings),
        #[cfg(not(feature = "lab"))]
        What::Train(_) => Err(super::no_lab::needs_lab("sagate bench train").into()),
        #[cfg(feature = "lab")]
        What::TrainMemory(args) => train::run_memory(&args, settings),
        What::Memory(args) => memory::run(&args, settings),
    }
}

/// Refuses the flag that is out of its range, where one is: its name, its value and what would be right.
fn refuse(wrong: Option<(&str, impl std::fmt::Display, &str)>) -> Result<(), UsageError> {
    match wrong {
        Some((flag, value, right)) => Err(UsageError(format!("--{flag} is {value}; it must be {right}"))),
        None => Ok(()),
    }
}
