//! `sagate bench link`: how much one stream carries, against many connections, on loopback and over a link with a delay.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use sagate_core::gate::evaluation::median;
use serde::Serialize;

use super::delay::Link;
use super::load::connect;
use super::refuse;
use super::server::Server;
use super::subject;
use crate::cli::{Exit, UsageError, out};
use crate::config::Settings;
use crate::proto::v1;

/// A model that the server does not have: it receives the whole image and refuses it before any work.
const NO_MODEL: &str = "missing-model";

/// Arguments of `sagate bench link`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Starts `sagate serve` on a free port of loopback, and sends it images of a model that it does not have: it takes each off the wire whole
and refuses it. In every round one stream of one connection (SegmentStream), then many connections with a call each (Segment), directly
and through a link that holds back every byte for half a round trip. Medians are printed.

stream_ratio    bytes a second of the one stream, against all connections together; near 1: its windows do not hold it back

Try it:  sagate bench link --json")]
pub struct LinkArgs {
    /// Connections that one stream is compared with
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Megabytes of one image
    #[arg(long, value_name = "MB", default_value_t = 2)]
    megabytes: usize,
    /// Round trips of the link in milliseconds; 0 is no link in between
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [0, 2, 10])]
    round_trips: Vec<u64>,
    /// Seconds of each part of a round
    #[arg(long, value_name = "S", default_value_t = 2)]
    seconds: u64,
    /// Rounds, at least 3
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    connections: usize,
    megabytes: usize,
    rounds: usize,
    links: Vec<Measured>,
}

/// One link.
#[derive(Debug, Serialize)]
struct Measured {
    round_trip_ms: u64,
    stream_megabytes_per_second: f64,
    connections_megabytes_per_second: f64,
    stream_ratio: f64,
}

/// Measures and prints.
pub(super) fn run(args: &LinkArgs, settings: &Settings) -> anyhow::Result<Exit> {
    check(args)?;
    let folder = tempfile::tempdir()?;
    subject::write(folder.path(), 2, 32)?;
    let server = Server::start(folder.path(), settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rates = runtime.block_on(rounds(args, &server.url))?;
    drop(server);
    let report = summarise(args, &rates);
    if settings.json() {
        out::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Ok)
}

fn check(args: &LinkArgs) -> Result<(), UsageError> {
    let wrong = if !(1..=256).contains(&args.connections) {
        Some(("connections", args.connections.to_string(), "from 1 to 256"))
    } else if !(1..=60).contains(&args.megabytes) {
        Some(("megabytes", args.megabytes.to_string(), "from 1 to 60"))
    } else if args.round_trips.iter().any(|&it| it > 1000) {
        Some((
            "round-trips",
            format!("{:?}", args.round_trips),
            "of at most 1000 each",
        ))
    } else if !(1..=600).contains(&args.seconds) {
        Some(("seconds", args.seconds.to_string(), "from 1 to 600"))
    } else if args.rounds < 3 {
        Some(("rounds", args.rounds.to_string(), "at least 3, for a median"))
    } else {
        None
    };
    refuse(wrong)
}

/// Bytes a second of one stream and of many connections.
type Rates = [f64; 2];

/// The rates of every round, each with one pair a link.
async fn rounds(args: &LinkArgs, url: &str) -> anyhow::Result<Vec<Vec<Rates>>> {
    let server: SocketAddr = url.trim_start_matches("http://").parse()?;
    let span = Duration::from_secs(args.seconds);
    let image = image(args.megabytes);
    let bar = out::progress(args.rounds as u64, "rounds");
    let mut rounds = Vec::with_capacity(args.rounds);
    for _ in 0..args.rounds {
        let mut links = Vec::with_capacity(args.round_trips.len());
        for &round_trip in &args.round_trips {
            let link = Link::to(server, Duration::from_millis(round_trip) / 2).await?;
            let url = match round_trip {
                0 => url.to_owned(),
                _ => format!("http://{}", link.address),
            };
            let stream = one_stream(&url, &image, span).await?;
            links.push([stream, many(&url, &image, args.connections, span).await?]);
        }
        rounds.push(links);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rounds)
}

/// So many megabytes of pixels.
fn image(megabytes: usize) -> v1::SegmentRequest {
    let side = 1024;
    v1::SegmentRequest {
        request_id: "link".into(),
        image: Some(v1::Image {
            source: Some(v1::image::Source::Tensor(v1::Tensor {
                data_type: v1::DataType::Uint8.into(),
                shape: vec![megabytes as u32 * side, side],
                data: Bytes::from(vec![0; megabytes << 20]),
                spacing: Vec::new(),
            })),
        }),
        options: Some(v1::SegmentationOptions {
            model: Some(v1::ModelReference {
                name: NO_MODEL.into(),
                version: 0,
            }),
            ..Default::default()
        }),
    }
}

fn bytes(image: &v1::SegmentRequest) -> usize {
    prost::Message::encoded_len(image)
}

/// Bytes a second of one stream, from its first image to its last answer.
async fn one_stream(url: &str, image: &v1::SegmentRequest, span: Duration) -> anyhow::Result<f64> {
    let mut client = connect(url).await?;
    let begun = Instant::now();
    let message = v1::SegmentStreamRequest {
        request: Some(image.clone()),
    };
    let images = tokio_stream::iter(std::iter::from_fn(move || {
        (begun.elapsed() < span).then(|| message.clone())
    }));
    let mut answers = client.segment_stream(images).await?.into_inner();
    let mut refused = 0;
    while let Some(answer) = answers.message().await? {
        let failure = match answer.outcome {
            Some(v1::segment_stream_response::Outcome::Failure(failure)) => failure,
            _ => anyhow::bail!("an answer from a model that does not exist"),
        };
        ensure!(
            failure.reason == "UNKNOWN_MODEL",
            "refused, but for {}",
            failure.reason
        );
        refused += 1;
    }
    Ok((refused * bytes(image)) as f64 / begun.elapsed().as_secs_f64())
}

/// Bytes a second of so many connections, with a call at a time each.
async fn many(url: &str, image: &v1::SegmentRequest, count: usize, span: Duration) -> anyhow::Result<f64> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        clients.push(connect(url).await?);
    }
    let begun = Instant::now();
    let mut work = tokio::task::JoinSet::new();
    for mut client in clients {
        let image = image.clone();
        work.spawn(async move {
            let mut refused = 0;
            while begun.elapsed() < span {
                let status = client
                    .segment(image.clone())
                    .await
                    .err()
                    .context("an answer from a model that does not exist")?;
                ensure!(
                    status.code() == tonic::Code::NotFound,
                    "refused, but for {status}"
                );
                refused += 1;
            }
            anyhow::Ok(refused)
        });
    }
    let mut refused = 0;
    while let Some(client) = work.join_next().await {
        refused += client??;
    }
    Ok((refused * bytes(image)) as f64 / begun.elapsed().as_secs_f64())
}

fn summarise(args: &LinkArgs, rounds: &[Vec<Rates>]) -> Report {
    let links = args.round_trips.iter().enumerate().map(|(link, &round_trip_ms)| {
        let over_rounds = |of: &dyn Fn(&Rates) -> f64| median(rounds.iter().map(|round| of(&round[link])));
        Measured {
            round_trip_ms,
            stream_megabytes_per_second: over_rounds(&|[stream, _]| stream / 1e6),
            connections_megabytes_per_second: over_rounds(&|[_, many]| many / 1e6),
            stream_ratio: over_rounds(&|[stream, many]| stream / many),
        }
    });
    Report {
        connections: args.connections,
        megabytes: args.megabytes,
        rounds: rounds.len(),
        links: links.collect(),
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let many = format!("{} connections MB/s", report.connections);
    let mut table = out::table(&["round trip ms", "one stream MB/s", &many, "stream_ratio"]);
    for link in &report.links {
        table.add_row([
            link.round_trip_ms.to_string(),
            format!("{:.0}", link.stream_megabytes_per_second),
            format!("{:.0}", link.connections_megabytes_per_second),
            format!("{:.2}", link.stream_ratio),
        ]);
    }
    Ok(out::print(&table)?)
}
