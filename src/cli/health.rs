//! `sagate health`: health check of a server, for probes and scripts.

use std::time::Duration;

use serde_json::json;

use super::server::{ServerArgs, seconds};
use super::{Exit, out};
use crate::client::{Access, BlockingClient, HealthStatus};
use crate::config::Settings;

/// Arguments of `sagate health`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks grpc.health.v1 and prints SERVING, NOT_SERVING or SERVICE_UNKNOWN. Exit code 0 where it is SERVING, 1 otherwise.

Try it:  sagate health --service t1-brain@1")]
pub struct Args {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// What to check: a model as NAME@VERSION, or sagate.v1.QualityControl [default: the server]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
    /// Timeout
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

/// Runs `sagate health`.
///
/// # Errors
/// A server that does not answer in time.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let access = Access::open(&settings.client)?;
    let serving = BlockingClient::health(&args.server.server, &access, &args.service, args.timeout)?;
    if settings.json() {
        out::json(&json!({
            "server": args.server.server.to_string(), "service": args.service, "status": serving.name(),
        }))?;
    } else {
        out::line(serving.name())?;
    }
    Ok(match serving {
        HealthStatus::Serving => Exit::Ok,
        _ => Exit::Error,
    })
}
