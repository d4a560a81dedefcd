//! `sagate loadtest`: measures a server under a defined load.
//!
//! `mix` is the request mix, `subject` the prepared requests, `load_mode` the arrival process; `send` sends, `counters` counts outcomes,
//! `report`, `print` and `plots` present them.

mod counters;
mod images;
mod load_mode;
mod mix;
#[cfg(feature = "lab")]
mod plots;
mod print;
mod progress;
mod report;
mod send;
mod subject;
mod sum;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use load_mode::{Arrivals, LoadMode};
use mix::Kind;

use super::server::{AccessArgs, seconds};
use super::{Exit, UsageError, out};
use crate::client::ServerUrl;
use crate::config::Settings;

/// Limit on connections: most clients have one per process.
const MAX_CONNECTIONS: usize = 1024;
/// Limit on concurrent requests, each of which takes memory on both sides.
const MAX_IN_FLIGHT: usize = 65_536;

/// Arguments of `sagate loadtest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Open loop (--rate): requests are sent when they are due, independent of responses, and latency counts from the due time. Closed loop
(--in-flight): each response is followed by the next request; latencies are also reported with HdrHistogram's correction for coordinated
omission, with the median as the interval. Nothing is retried: every refusal is counted.
A kind of request is KEY=VALUE,... with the keys name, share, call (segment or interpret), model, size (HEIGHTxWIDTH, generated images), count
(of generated images), images (a file or folder), deadline (seconds), coverage, threshold, priority (urgent, routine or batch); a mix file (TOML) has one table [[kind]] per kind
with the same keys. Ctrl-C ends the test and prints the results so far. Test only servers that you own.

Try it:  sagate loadtest --server http://127.0.0.1:50051 --rate 10 --seconds 20
         sagate loadtest --server http://127.0.0.1:50051 --in-flight 4 --kind size=256x256,share=9 --kind call=interpret,share=1")]
pub struct Args {
    /// The server, http://HOST:PORT; there is no default
    #[arg(long, value_name = "URL")]
    server: ServerUrl,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    /// Open loop: mean requests a second
    #[arg(
        long,
        value_name = "PER_SECOND",
        conflicts_with = "in_flight",
        required_unless_present = "in_flight"
    )]
    rate: Option<f64>,
    /// Arrival process of the open loop
    #[arg(long, value_name = "HOW", default_value = "poisson")]
    arrivals: Arrivals,
    /// Closed loop: number of concurrent requests
    #[arg(long, value_name = "N")]
    in_flight: Option<usize>,
    /// A kind of request; repeatable [default: size=256x256]
    #[arg(long, value_name = "KEY=VALUE,...")]
    kind: Vec<String>,
    /// A file of kinds, in addition to those of --kind
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,
    /// Duration of sending
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    seconds: Duration,
    /// Warm-up at the start of that duration, excluded from results
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    warm_up: f64,
    /// Maximum number of requests, warm-up included
    #[arg(long, value_name = "N", default_value = "1000000")]
    requests: u64,
    /// Number of connections, used in turn
    #[arg(long, value_name = "N", default_value = "4")]
    connections: usize,
    /// Maximum concurrent requests of the open loop; more are counted and not sent
    #[arg(long, value_name = "N", default_value = "4096")]
    max_in_flight: usize,
    /// Time to wait for the last responses
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    drain_timeout: Duration,
    /// Seed of arrivals, mix and generated images
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Folder for report.json and three plots (SVG): latency distribution, rates and latency over time
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `sagate loadtest`.
///
/// # Errors
/// Invalid arguments or mix, a server that does not answer or refuses one of the kinds.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let load_mode = check(&args)?;
    let kinds = Kind::all(&args.kind, args.mix.as_deref(), settings)?;
    #[cfg(not(feature = "lab"))]
    if args.out.is_some() {
        return Err(super::no_lab::needs_lab("--out, which draws plots,").into());
    }
    #[cfg(feature = "lab")]
    if let Some(out) = &args.out {
        out::folder(out)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("load")
        .build()
        .context("the threads of the load test cannot be started")?;
    let subject = Arc::new(runtime.block_on(subject::Subject::open(&args, &kinds, settings))?);
    let seen = send::send(&runtime, &args, load_mode, &subject)?;
    let server = runtime.block_on(subject.status());
    // Requests without a response may still be in flight.
    runtime.shutdown_background();
    let report = report::Report::new(&args, load_mode, &subject, &seen, server);
    #[cfg(feature = "lab")]
    if let Some(out) = &args.out {
        plots::write(out, &report)?;
    }
    if settings.json() {
        out::json(&report)?;
    } else {
        print::print(&report)?;
    }
    // Without any response there is no result; the exit code shows it.
    Ok(if report.answered() == 0 {
        Exit::Error
    } else {
        Exit::Ok
    })
}

fn check(args: &Args) -> Result<LoadMode, UsageError> {
    let refuse = |flag: &str, value: String, right: String| {
        Err(UsageError(format!("--{flag} is {value}; it must be {right}")))
    };
    if !(1..=MAX_CONNECTIONS).contains(&args.connections) {
        return refuse(
            "connections",
            args.connections.to_string(),
            format!("from 1 to {MAX_CONNECTIONS}"),
        );
    }
    if !(1..=MAX_IN_FLIGHT).contains(&args.max_in_flight) {
        return refuse(
            "max-in-flight",
            args.max_in_flight.to_string(),
            format!("from 1 to {MAX_IN_FLIGHT}"),
        );
    }
    if args.requests == 0 {
        return refuse("requests", "0".into(), "at least 1".into());
    }
    let seconds = args.seconds.as_secs_f64();
    if !(0.0..seconds).contains(&args.warm_up) {
        return refuse(
            "warm-up",
            args.warm_up.to_string(),
            format!("from 0 to less than --seconds ({seconds})"),
        );
    }
    match (args.rate, args.in_flight) {
        (Some(rate), _) if (0.001..=100_000.0).contains(&rate) => Ok(LoadMode::Open {
            rate,
            arrivals: args.arrivals,
        }),
        (Some(rate), _) => refuse("rate", rate.to_string(), "from 0.001 to 100000".into()),
        (None, Some(in_flight)) if (1..=MAX_IN_FLIGHT).contains(&in_flight) => {
            Ok(LoadMode::Closed { in_flight })
        }
        (None, in_flight) => refuse(
            "in-flight",
            in_flight.unwrap_or(0).to_string(),
            format!("from 1 to {MAX_IN_FLIGHT}"),
        ),
    }
}
