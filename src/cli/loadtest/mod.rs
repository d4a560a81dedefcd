//! `sagate loadtest`: how a server does under a load that is chosen, not found.
//!
//! `mix` is what the user wants sent, `subject` what that is on this server, `load_mode` when it is sent; `send` sends it, `counters` counts what
//! came of it, `report`, `print` and `plots` tell.

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

/// More would say nothing of the server: one connection a process is what most clients have.
const MOST_CONNECTIONS: usize = 1024;
/// Requests on their way at once, each with its memory on both sides.
const MOST_IN_FLIGHT: usize = 65_536;

/// Arguments of `sagate loadtest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Open loop (--rate): requests leave when they are due, whatever the answers do, and a latency counts from when its request was due. Closed
loop (--in-flight): each answer is followed by the next request; as a client that waits does not ask, latencies are also given as they
would be had it asked on (HdrHistogram's correction, with the median as the interval). Nothing is asked again: every refusal is counted.
A kind of request is KEY=VALUE,... with the keys name, share, call (segment or interpret), model, size (HEIGHTxWIDTH, made images), count
(of made images), images (a file or folder), deadline (seconds), coverage, threshold, priority (urgent, routine or batch); a mix file (TOML) has a table [[kind]] a kind with
the same keys. Ctrl-C ends it with the result so far. Aim it only at a server that is yours.

Try it:  sagate loadtest --server http://127.0.0.1:50051 --rate 10 --seconds 20
         sagate loadtest --server http://127.0.0.1:50051 --in-flight 4 --kind size=256x256,share=9 --kind call=interpret,share=1")]
pub struct Args {
    /// The server, http://HOST:PORT; there is no default
    #[arg(long, value_name = "URL")]
    server: ServerUrl,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    /// Open loop: requests a second, on the average
    #[arg(
        long,
        value_name = "PER_SECOND",
        conflicts_with = "in_flight",
        required_unless_present = "in_flight"
    )]
    rate: Option<f64>,
    /// How the requests of an open loop follow each other
    #[arg(long, value_name = "HOW", default_value = "poisson")]
    arrivals: Arrivals,
    /// Closed loop: so many requests on their way at all times
    #[arg(long, value_name = "N")]
    in_flight: Option<usize>,
    /// A kind of request; may be given several times [default: size=256x256]
    #[arg(long, value_name = "KEY=VALUE,...")]
    kind: Vec<String>,
    /// A file of kinds, beside those of --kind
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,
    /// How long requests are sent
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    seconds: Duration,
    /// The first of those seconds, which do not count: caches fill, threads start
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    warm_up: f64,
    /// Most requests, those of the warm-up counted in
    #[arg(long, value_name = "N", default_value = "1000000")]
    requests: u64,
    /// Connections that the requests are spread over in turn
    #[arg(long, value_name = "N", default_value = "4")]
    connections: usize,
    /// Most requests of an open loop on their way at once; those that are due beyond are counted and not sent
    #[arg(long, value_name = "N", default_value = "4096")]
    most_in_flight: usize,
    /// How long the last answers are waited for
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    patience: Duration,
    /// Seed of arrivals, mix and made images
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Folder for report.json and three plots (SVG): latencies, rates and latencies over time
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `sagate loadtest`.
///
/// # Errors
/// Arguments out of range, a mix that cannot be read, a server that does not answer or refuses one of the kinds for what it is.
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
    // Answers that were not waited for are still on their way.
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
    // A server that answered nothing gave no result, and a script must see that.
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
    if !(1..=MOST_CONNECTIONS).contains(&args.connections) {
        return refuse(
            "connections",
            args.connections.to_string(),
            format!("from 1 to {MOST_CONNECTIONS}"),
        );
    }
    if !(1..=MOST_IN_FLIGHT).contains(&args.most_in_flight) {
        return refuse(
            "most-in-flight",
            args.most_in_flight.to_string(),
            format!("from 1 to {MOST_IN_FLIGHT}"),
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
        (None, Some(in_flight)) if (1..=MOST_IN_FLIGHT).contains(&in_flight) => {
            Ok(LoadMode::Closed { in_flight })
        }
        (None, in_flight) => refuse(
            "in-flight",
            in_flight.unwrap_or(0).to_string(),
            format!("from 1 to {MOST_IN_FLIGHT}"),
        ),
    }
}
