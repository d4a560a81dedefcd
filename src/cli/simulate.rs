//! `sagate simulate`: capacity planning by simulation.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::{ArgGroup, ValueEnum};
use serde::Serialize;

use super::{Exit, UsageError, out};
use crate::capacity::{
    Arrivals, Balancing, Loss, Outcome, Scaling, ServiceTimes, SimulationConfig, simulate,
};
use crate::config::Settings;

/// Arguments of `sagate simulate`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("arrivals").args(["rate", "trace", "in_flight"]).required(true))]
#[command(after_help = "\
Service times are a number of seconds, or measured: `sagate loadtest --in-flight SLOTS --out DIR` against one replica
writes DIR/report.json. With several slots, --alone is the same with --in-flight 1. Network latency in a report is --way. Arrivals are
Poisson (--rate), Poisson with a daily variation (--rate and --swing), a trace (--trace: one time in seconds per line), or a closed loop of
so many senders (--in-flight).

Try it:  sagate simulate --rate 12 --service 0.16 --replicas 3
         sagate simulate --rate 40 --swing 0.8 --seconds 86400 --service one/report.json --replicas 2..30 --price 0.9")]
pub struct Args {
    /// Mean images per second
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Amplitude of the daily variation of the rate, from 0 to 1
    #[arg(long, value_name = "SHARE", requires = "rate")]
    swing: Option<f64>,
    /// A file with the time of each arrival
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Concurrent images
    #[arg(long, value_name = "N")]
    in_flight: Option<usize>,
    /// Service time of an image while all slots are busy: seconds, or a load test's report.json
    #[arg(long, value_name = "SECONDS|FILE")]
    service: Times,
    /// Service time on an idle replica [default: the same]
    #[arg(long, value_name = "SECONDS|FILE")]
    alone: Option<Times>,
    /// Speed factor of a replica relative to those times, for other machines than measured
    #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
    speed: f64,
    /// Concurrent images per replica
    #[arg(long, value_name = "N", default_value_t = 1)]
    slots: usize,
    /// Maximum of waiting and running images per replica
    #[arg(long, value_name = "N", default_value_t = 256)]
    queue: usize,
    /// Number of replicas, or minimum and maximum of the autoscaler
    #[arg(long, value_name = "N|LEAST..MOST", default_value = "1")]
    replicas: Replicas,
    /// Target utilisation of the autoscaler
    #[arg(long, value_name = "SHARE", default_value_t = 0.6)]
    target: f64,
    /// Interval of the autoscaler in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0)]
    period: f64,
    /// Start-up time of a replica in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    start_up: f64,
    /// Scale-down stabilisation window of the autoscaler in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    hold: f64,
    /// Load balancing
    #[arg(long, value_name = "HOW", default_value = "least-of-two")]
    balancing: How,
    /// Deadline in seconds
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<f64>,
    /// Network latency in milliseconds; subtracted from the latencies of a load test's report
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    way: f64,
    /// Retries of a refused or lost image
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: usize,
    /// Retry delay in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 25.0)]
    back_off: f64,
    /// Kill a replica: TIME:REPLICA, from 0; TIME:REPLICA:gently drains it first
    #[arg(long, value_name = "TIME:REPLICA")]
    lose: Vec<Lost>,
    /// Simulated duration in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0)]
    seconds: f64,
    /// Warm-up in seconds, excluded from results
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    warm_up: f64,
    /// Price of a replica per hour, in any currency
    #[arg(long, value_name = "AMOUNT")]
    price: Option<f64>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Load balancing.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// Least loaded of two random replicas (Envoy's LEAST_REQUEST)
    LeastOfTwo,
    /// Least loaded of three random replicas (deploy/envoy)
    LeastOfThree,
    /// Least loaded of all replicas
    Least,
    /// Round robin
    RoundRobin,
    /// Random
    Random,
}

/// Source of service times.
#[derive(Debug, Clone)]
enum Times {
    Seconds(f64),
    Report(PathBuf),
}

#[derive(Debug, Clone, Copy)]
struct Replicas {
    least: usize,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Lost(Loss);

/// The JSON output.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    outcome: Outcome,
    /// Cost per answered image, by `--price`.
    cost_an_image: Option<f64>,
}

/// Limit of simulated images; more would take hours.
const MOST_IMAGES: f64 = 1e8;
const MOST_REPLICAS: usize = 10_000;

/// Runs `sagate simulate`.
///
/// # Errors
/// Invalid arguments, or an unreadable file.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<Exit> {
    check(args)?;
    let simulation_config = simulation_config(args)?;
    let outcome = simulate(&simulation_config);
    let cost_an_image = args
        .price
        .map(|price| outcome.replica_seconds_per_image * price / 3600.0);
    let report = Report {
        outcome,
        cost_an_image,
    };
    if settings.json() {
        out::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Ok)
}

fn check(args: &Args) -> Result<(), UsageError> {
    let within = |flag: &str, value: f64, least: f64, most: f64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(UsageError(format!(
            "--{flag} is {value}; it must be from {least} to {most}"
        )))
    };
    within("seconds", args.seconds, 1.0, 366.0 * 86_400.0)?;
    within("warm-up", args.warm_up, 0.0, args.seconds)?;
    let most_rate = MOST_IMAGES / args.seconds;
    args.rate
        .map_or(Ok(()), |rate| within("rate", rate, 1e-6, most_rate))?;
    args.swing
        .map_or(Ok(()), |swing| within("swing", swing, 0.0, 1.0))?;
    args.deadline
        .map_or(Ok(()), |it| within("deadline", it, 1e-3, 86_400.0))?;
    args.price.map_or(Ok(()), |it| within("price", it, 0.0, 1e9))?;
    within("target", args.target, 0.01, 1.0)?;
    within("period", args.period, 0.1, 86_400.0)?;
    within("start-up", args.start_up, 0.0, 86_400.0)?;
    within("hold", args.hold, 0.0, 86_400.0)?;
    within("speed", args.speed, 1e-3, 1e3)?;
    within("way", args.way, 0.0, 60_000.0)?;
    within("back-off", args.back_off, 0.001, 60_000.0)?;
    within("slots", args.slots as f64, 1.0, 1024.0)?;
    within("queue", args.queue as f64, 1.0, 1e6)?;
    within("retries", args.retries as f64, 0.0, 100.0)?;
    args.in_flight
        .map_or(Ok(()), |it| within("in-flight", it as f64, 1.0, 1e6))
}

fn simulation_config(args: &Args) -> anyhow::Result<SimulationConfig> {
    let way = args.way / 1e3;
    let times = args.service.times("service", way)?.faster(args.speed);
    let alone = match &args.alone {
        Some(alone) => alone.times("alone", way)?.faster(args.speed),
        None => times.clone(),
    };
    let arrivals = match (&args.trace, args.rate, args.in_flight) {
        (Some(file), ..) => {
            let text = read(file)?;
            let text = String::from_utf8_lossy(&text);
            Arrivals::read_trace(&text).with_context(|| format!("--trace {}", file.display()))?
        }
        (None, Some(rate), _) => match args.swing {
            Some(swing) => Arrivals::Day { mean: rate, swing },
            None => Arrivals::Poisson { rate },
        },
        (None, None, in_flight) => Arrivals::Closed {
            in_flight: in_flight.unwrap_or(1),
        },
    };
    let Replicas { least, most } = args.replicas;
    let scaling = Scaling {
        least,
        most,
        target: args.target,
        // A fixed number needs no autoscaler.
        period: if least == most { f64::INFINITY } else { args.period },
        start_up: args.start_up,
        hold: args.hold,
    };
    Ok(SimulationConfig {
        arrivals,
        times,
        alone,
        slots: args.slots,
        queue: args.queue,
        deadline: args.deadline.unwrap_or(f64::INFINITY),
        way,
        balancing: args.balancing.into(),
        retries: args.retries,
        back_off: args.back_off / 1e3,
        scaling,
        losses: args.lose.iter().map(|lost| lost.0).collect(),
        seconds: args.seconds,
        warm_up: args.warm_up,
        seed: args.seed,
    })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn print(report: &Report) -> anyhow::Result<()> {
    let of = &report.outcome;
    let mut table = out::table(&["", ""]);
    let milliseconds = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let mut row = |name: &str, value: String| {
        table.add_row([name, value.as_str()]);
    };
    row("sent", of.sent.to_string());
    row("answered", of.answered.to_string());
    row("in time", of.in_time.to_string());
    row("refused", of.refused.to_string());
    row("no replica ready", of.no_replica.to_string());
    row("lost with a replica", of.lost.to_string());
    row("sent again", of.retried.to_string());
    row("throughput", format!("{:.3} images/s", of.throughput));
    row("mean", milliseconds(of.mean));
    row("p50", milliseconds(of.p50));
    row("p90", milliseconds(of.p90));
    row("p99", milliseconds(of.p99));
    row("p99.9", milliseconds(of.p999));
    row(
        "replicas",
        format!("{:.2} on the average, {} at most", of.replicas, of.max_replicas),
    );
    row("utilisation", format!("{:.3}", of.utilisation));
    row(
        "seconds of a replica an image",
        format!("{:.4}", of.replica_seconds_per_image),
    );
    if let Some(cost) = report.cost_an_image {
        row("cost of an image", format!("{cost:.6}"));
    }
    Ok(out::print(&table)?)
}

impl Times {
    fn times(&self, flag: &str, way: f64) -> anyhow::Result<ServiceTimes> {
        match self {
            Times::Seconds(seconds) => Ok(ServiceTimes::constant(*seconds)),
            Times::Report(file) => ServiceTimes::from_report(&read(file)?, way)
                .with_context(|| format!("--{flag} {}", file.display())),
        }
    }
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Times, String> {
        match text.parse::<f64>() {
            Ok(seconds) if (1e-6..=3600.0).contains(&seconds) => Ok(Times::Seconds(seconds)),
            Ok(_) => Err("seconds must be from 0.000001 to 3600".into()),
            Err(_) => Ok(Times::Report(text.into())),
        }
    }
}

impl FromStr for Replicas {
    type Err = String;

    fn from_str(text: &str) -> Result<Replicas, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        match (least.parse(), most.parse()) {
            (Ok(least), Ok(most)) if 1 <= least && least <= most && most <= MOST_REPLICAS => {
                Ok(Replicas { least, most })
            }
            _ => Err(format!(
                "a number from 1 to {MOST_REPLICAS}, or two like 2..30, the lower one first, would be right"
            )),
        }
    }
}

impl FromStr for Lost {
    type Err = String;

    fn from_str(text: &str) -> Result<Lost, String> {
        let wrong = || "TIME:REPLICA or TIME:REPLICA:gently, like 60:0, would be right".to_string();
        let mut parts = text.split(':');
        let time = parts.next().and_then(|time| time.parse().ok());
        let time = time
            .filter(|time: &f64| time.is_finite() && *time >= 0.0)
            .ok_or_else(wrong)?;
        let replica = parts.next().and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let graceful = match parts.next() {
            None => false,
            Some("gently") => true,
            Some(_) => return Err(wrong()),
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Lost(Loss {
            time,
            replica,
            graceful,
        }))
    }
}

impl From<How> for Balancing {
    fn from(how: How) -> Balancing {
        match how {
            How::LeastOfTwo => Balancing::LeastOf(2),
            How::LeastOfThree => Balancing::LeastOf(3),
            How::Least => Balancing::Least,
            How::RoundRobin => Balancing::RoundRobin,
            How::Random => Balancing::Random,
        }
    }
}
