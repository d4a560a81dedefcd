//! `sagate bench serve`: what the service costs around the model, over real gRPC on loopback.

use std::time::{Duration, Instant};

use sagate_core::executor::ModelExecutor;
use sagate_core::gate::evaluation::median;
use sagate_core::model::Model;
use sagate_core::nn::placement::Placement;
use serde::Serialize;

use super::load::{self, Answered, LoadResult, closed_loop};
use super::refuse;
use super::server::Server;
use super::subject;
use crate::cli::{Exit, UsageError, out};
use crate::config::Settings;
use crate::proto::v1;

/// Requests in flight at once.
const IN_FLIGHT: [usize; 3] = [1, 4, 16];
/// Batches that the model is tried with by itself.
const BATCHES: [usize; 5] = [1, 2, 4, 8, 16];

/// Arguments of `sagate bench serve`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Starts `sagate serve` on free ports of loopback with a model of random weights, in a process of its own, and asks it in a closed
loop with 1, 4 and 16 requests in flight, in turn with the model by itself in this process, in every round. Medians are printed.

overhead_ratio     all but network and scores, as a share of a request, 1 in flight (overhead_ms: in milliseconds)
throughput_ratio   images a second with 16 in flight, against the model's best batch by itself
interpret_ratio    a whole interpretation (18 SAMs as bytes), against the network alone

Try it:  sagate bench serve --json")]
pub struct ServeArgs {
    /// Base width of the U-Net
    #[arg(long, value_name = "W", default_value_t = 16)]
    base: i64,
    /// Side of the square image
    #[arg(long, value_name = "N", default_value_t = 256)]
    size: usize,
    /// Seconds of each part of a round
    #[arg(long, value_name = "S", default_value_t = 3)]
    seconds: u64,
    /// Rounds, at least 3
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    base: i64,
    size: usize,
    rounds: usize,
    threads: i32,
    levels: Vec<Level>,
    /// The model by itself.
    own: Vec<ModelThroughput>,
    /// The batch with which it is fastest by itself.
    own_batch: usize,
    overhead_ratio: f64,
    /// The same in milliseconds.
    overhead_ms: f64,
    throughput_ratio: f64,
    interpret_ratio: f64,
}

#[derive(Debug, Serialize)]
struct Level {
    in_flight: usize,
    images_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// How fast the model is by itself with one batch.
#[derive(Debug, Serialize)]
struct ModelThroughput {
    batch: usize,
    images_per_second: f64,
}

/// Measures and prints.
pub(super) fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    check(args)?;
    let placement = settings.device.placement()?;
    let folder = tempfile::tempdir()?;
    let model = subject::write(folder.path(), args.base, args.size)?;
    let server = Server::start(folder.path(), settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut rounds = Vec::with_capacity(args.rounds);
    let bar = out::progress(args.rounds as u64, "rounds");
    for _ in 0..args.rounds {
        rounds.push(Round::measure(args, &runtime, &server.url, &model, placement)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    drop(server);
    let report = summarise(args, &rounds);
    if settings.json() {
        out::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Ok)
}

fn check(args: &ServeArgs) -> Result<(), UsageError> {
    let wrong = if !(1..=256).contains(&args.base) {
        Some(("base", args.base.to_string(), "from 1 to 256"))
    } else if !(32..=4096).contains(&args.size) {
        Some(("size", args.size.to_string(), "from 32 to 4096"))
    } else if !(1..=600).contains(&args.seconds) {
        Some(("seconds", args.seconds.to_string(), "from 1 to 600"))
    } else if args.rounds < 3 {
        Some(("rounds", args.rounds.to_string(), "at least 3, for a median"))
    } else {
        None
    };
    refuse(wrong)
}

/// What one round measured.
struct Round {
    levels: Vec<LoadResult>,
    /// Images a second of the model by itself, a batch each.
    own: Vec<f64>,
    /// Seconds of interpretations.
    interpretations: Vec<f64>,
}

impl Round {
    fn measure(
        args: &ServeArgs,
        runtime: &tokio::runtime::Runtime,
        url: &str,
        model: &Model,
        placement: Placement,
    ) -> anyhow::Result<Round> {
        let images: Vec<v1::Image> = (0..4)
            .map(|seed| load::tensor(&subject::image(args.size, seed)))
            .collect();
        let span = Duration::from_secs(args.seconds);
        let (levels, interpretations) = runtime.block_on(async {
            let mut levels = Vec::with_capacity(IN_FLIGHT.len());
            for in_flight in IN_FLIGHT {
                levels.push(closed_loop(url, &images, in_flight, span).await?);
            }
            let mut client = load::connect(url).await?;
            let (begun, mut interpretations) = (Instant::now(), Vec::new());
            for image in images.iter().cycle() {
                interpretations.push(load::interpret(&mut client, image.clone()).await?);
                if begun.elapsed() >= span {
                    break;
                }
            }
            anyhow::Ok((levels, interpretations))
        })?;
        Ok(Round {
            levels,
            own: own_rates(args, model, placement, span)?,
            interpretations,
        })
    }
}

/// Images a second of the model by itself, for each batch.
fn own_rates(
    args: &ServeArgs,
    model: &Model,
    placement: Placement,
    span: Duration,
) -> anyhow::Result<Vec<f64>> {
    let executor = ModelExecutor::load(model, placement)?;
    let ready = executor.prepare(&subject::image(args.size, 0))?;
    let mut rates = Vec::with_capacity(BATCHES.len());
    for batch in BATCHES {
        let images = vec![&ready; batch];
        executor.segment(&images)?;
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < span {
            executor.segment(&images)?;
            done += batch;
        }
        rates.push(done as f64 / begun.elapsed().as_secs_f64());
    }
    Ok(rates)
}

fn summarise(args: &ServeArgs, rounds: &[Round]) -> Report {
    let over_rounds = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of));
    let levels: Vec<Level> = (0..IN_FLIGHT.len())
        .map(|level| Level {
            in_flight: IN_FLIGHT[level],
            images_per_second: over_rounds(&|round| round.levels[level].images_per_second()),
            p50_ms: over_rounds(&|round| round.levels[level].quantile_ms(0.5)),
            p99_ms: over_rounds(&|round| round.levels[level].quantile_ms(0.99)),
        })
        .collect();
    let best = |round: &Round| round.own.iter().copied().fold(0.0, f64::max);
    let own: Vec<ModelThroughput> = (0..BATCHES.len())
        .map(|batch| ModelThroughput {
            batch: BATCHES[batch],
            images_per_second: over_rounds(&|round| round.own[batch]),
        })
        .collect();
    let fastest = own
        .iter()
        .max_by(|a, b| a.images_per_second.total_cmp(&b.images_per_second));
    let own_batch = fastest.map_or(0, |it| it.batch);
    // Over the requests that had the service for themselves.
    let alone = |round: &Round, of: &dyn Fn(&Answered) -> f64| median(round.levels[0].answers.iter().map(of));
    Report {
        base: args.base,
        size: args.size,
        rounds: rounds.len(),
        threads: tch::get_num_threads(),
        own_batch,
        overhead_ratio: over_rounds(&|round| alone(round, &|it| 1.0 - it.model_seconds / it.seconds)),
        overhead_ms: over_rounds(&|round| alone(round, &|it| 1e3 * (it.seconds - it.model_seconds))),
        throughput_ratio: over_rounds(&|round| round.levels[2].images_per_second() / best(round)),
        interpret_ratio: over_rounds(&|round| {
            median(round.interpretations.clone()) / alone(round, &|it| it.forward_seconds)
        }),
        levels,
        own,
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut table = out::table(&["in flight", "images/s", "p50 ms", "p99 ms"]);
    for level in &report.levels {
        table.add_row([
            level.in_flight.to_string(),
            format!("{:.1}", level.images_per_second),
            format!("{:.1}", level.p50_ms),
            format!("{:.1}", level.p99_ms),
        ]);
    }
    out::print(&table)?;
    for own in &report.own {
        out::line(&format!(
            "the model alone, batches of {}: {:.1} images/s",
            own.batch, own.images_per_second
        ))?;
    }
    Ok(out::line(&format!(
        "overhead_ratio {:.3} ({:.2} ms), throughput_ratio {:.3}, interpret_ratio {:.3}",
        report.overhead_ratio, report.overhead_ms, report.throughput_ratio, report.interpret_ratio
    ))?)
}
