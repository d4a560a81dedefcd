//! `sagate top`: live status of a server.

mod live;
pub mod screen;
mod snapshot;
pub mod view;
mod words;

use std::io::IsTerminal;
use std::time::Duration;

use super::server::{ServerArgs, seconds};
use super::{Exit, UsageError};
use crate::client::{Access, BlockingClient};
use crate::config::Settings;

/// Arguments of `sagate top`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys: q, Esc or Ctrl-C quits, + and - change the interval. Rates, mu and latencies are those of the server's window
(telemetry.window_seconds), totals count from its start. --json implies --once.

Try it:  sagate top --once")]
pub struct Args {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Polling interval
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Print the status once as a table and exit
    #[arg(long)]
    once: bool,
}

/// Runs `sagate top`.
///
/// # Errors
/// With `--once` a server that does not answer; without it a terminal that cannot be drawn on.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let url = args.server.server;
    let access = Access::open(&settings.client)?;
    if args.once || settings.json() {
        let status = BlockingClient::connect(&url, &access, 1)?.status()?;
        snapshot::print(&url, &status, settings)?;
        return Ok(Exit::Ok);
    }
    if !std::io::stdout().is_terminal() {
        let message =
            "top needs a terminal to draw on, and stdout is none; --once prints one look as a table";
        return Err(UsageError(message.into()).into());
    }
    live::run(&url, access, args.interval)?;
    Ok(Exit::Ok)
}
