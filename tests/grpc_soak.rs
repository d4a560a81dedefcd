//! Many callers of every kind at once, for as long as SAGATE_SOAK_SECONDS says (60).
//!
//! What would break: an answer that depends on concurrent calls, an unexpected error, growing memory.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use binary::{Place, waves_image};
use grpc_calls::{Client, ExpectedImage, error_info, status, wait_until_idle, within};
use sagate::proto::v1;
use sagate_core::executor::ModelExecutor;
use sagate_core::imaging::preprocess::Step;
use sagate_core::model::Model;
use server::{Server, file, serve};
use tokio::task::JoinSet;
use tonic::Code;
use v1::interpret_response::Part;
use v1::segment_stream_response::Outcome;

const CALLERS: u64 = 96;
/// What is in flight at least, most of the time.
const IN_FLIGHT: u64 = 64;
const SIZES: [[usize; 2]; 10] = [
    [16, 16],
    [33, 47],
    [64, 64],
    [64, 200],
    [97, 31],
    [128, 128],
    [128, 256],
    [160, 160],
    [240, 240],
    [320, 256],
];
/// Growth that is no leak: what the allocator has not given back of the last large images.
const SLACK: f64 = 32.0 * 1024.0 * 1024.0;

/// An image, the model that it is for, and that model's answer when it was asked alone.
struct Case {
    model: &'static str,
    known: ExpectedImage,
}

impl Case {
    fn request(&self, id: &str) -> v1::SegmentRequest {
        let mut asked = self.known.request(id);
        let options = asked.options.as_mut().unwrap();
        options.model = Some(v1::ModelReference {
            name: self.model.into(),
            version: 0,
        });
        options.probabilities = id.starts_with("slow");
        asked
    }
}

/// How often each kind of caller came.
#[derive(Default)]
struct Counts([AtomicU64; 7]);

const KINDS: [&str; 7] = [
    "segment",
    "stream",
    "interpret",
    "cancel",
    "slow reader",
    "bad input",
    "listing",
];

fn cases(place: &Place) -> Vec<Case> {
    tch::set_num_threads(1);
    let mut cases = Vec::new();
    for model in ["tiny", "twin"] {
        let folder = place.path(&format!("models/{model}/1"));
        let pass = ModelExecutor::load(&Model::open(&folder).unwrap(), tch::Device::Cpu).unwrap();
        for (seed, [height, width]) in SIZES.into_iter().enumerate() {
            for seed in [seed, seed + 100] {
                let known = ExpectedImage::by(&pass, &waves_image(seed, height, width));
                cases.push(Case { model, known });
            }
        }
    }
    cases
}

/// A number from a number, the same each time.
fn shuffled(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*state >> 33) as usize
}

async fn stream(client: &mut Client, cases: &[&Case], kind: &str, pause: Duration) {
    let images: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| v1::SegmentStreamRequest {
            request: Some(case.request(&format!("{kind}-{index}"))),
        })
        .collect();
    let answers = within(client.segment_stream(tokio_stream::iter(images))).await;
    let mut answers = answers.expect("a stream is opened").into_inner();
    tokio::time::sleep(pause).await;
    let mut seen = 0;
    while let Some(answer) = within(answers.message()).await.expect("a stream goes on") {
        let index: usize = answer.request_id.rsplit('-').next().unwrap().parse().unwrap();
        match answer.outcome.unwrap() {
            Outcome::Segmentation(answer) => cases[index].known.assert_is(&answer),
            Outcome::Failure(failure) => panic!("nobody asked for {failure:?}"),
        }
        seen += 1;
    }
    assert_eq!(seen, cases.len());
}

async fn interpret(client: &mut Client, case: &Case, parts: Option<usize>) {
    let asked = case.request("look");
    let asked = v1::InterpretRequest {
        request_id: asked.request_id,
        image: asked.image,
        options: asked.options,
        layers: Some(v1::LayerOptions {
            probability: v1::ProbabilityFormat::Uint8.into(),
            labels: true,
            ..Default::default()
        }),
        units: vec![v1::UnitOptions {
            layer: 18,
            count: 2,
            average: true,
            ..Default::default()
        }],
    };
    let mut answers = within(client.interpret(asked)).await.unwrap().into_inner();
    for _ in 0..parts.unwrap_or(usize::MAX) {
        let Some(answer) = within(answers.message())
            .await
            .expect("an interpretation goes on")
        else {
            return;
        };
        if let Some(Part::Segmentation(answer)) = answer.part {
            case.known.assert_is(&answer);
        }
    }
}

async fn segment(client: &mut Client, case: &Case) {
    let answer = within(client.segment(case.request("one"))).await;
    let answer = answer.expect("a good image is answered").into_inner();
    case.known.assert_is(&answer.segmentation.unwrap());
}

/// One caller, until the time is up.
async fn caller(mut client: Client, cases: Arc<Vec<Case>>, counts: Arc<Counts>, seed: u64, end: Instant) {
    let mut state = seed * 7919 + 1;
    while Instant::now() < end {
        let case = &cases[shuffled(&mut state) % cases.len()];
        let some: Vec<&Case> = (0..6)
            .map(|_| &cases[shuffled(&mut state) % cases.len()])
            .collect();
        let kind = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6][shuffled(&mut state) % 16];
        match kind {
            0 => segment(&mut client, case).await,
            1 => stream(&mut client, &some, "stream", Duration::ZERO).await,
            2 => interpret(&mut client, case, None).await,
            3 => {
                let moment = Duration::from_millis(shuffled(&mut state) as u64 % 400);
                let parts = shuffled(&mut state) % 12;
                let work = async {
                    match parts % 3 {
                        0 => segment(&mut client, case).await,
                        1 => stream(&mut client, &some, "gone", Duration::ZERO).await,
                        _ => interpret(&mut client, case, Some(parts)).await,
                    }
                };
                // Whether it is done by then does not matter.
                let _ = tokio::time::timeout(moment, work).await;
            }
            4 => stream(&mut client, &some, "slow", Duration::from_secs(2)).await,
            5 => {
                let mut asked = case.request("bad");
                asked.image = Some(file(vec![7; 5000]));
                let refused = within(client.segment(asked)).await.expect_err("garbage");
                assert_eq!(error_info(&refused).0, Code::InvalidArgument);
            }
            _ => {
                let listed = within(client.list_models(v1::ListModelsRequest {})).await;
                assert_eq!(listed.unwrap().into_inner().models.len(), 2);
            }
        }
        counts.0[kind].fetch_add(1, Relaxed);
    }
}

/// Resident memory of a process in bytes.
fn resident(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_every_kind() {
    let seconds = std::env::var("SAGATE_SOAK_SECONDS").map_or(60, |it| it.parse().expect("whole seconds"));
    let place = Place::new(1, &[0.1, 0.2, 0.3]);
    tiny_model::write_as(
        "twin",
        &place.path("models"),
        2,
        vec![Step::ZScore],
        &[0.1, 0.2, 0.3],
    );
    let cases = Arc::new(cases(&place));
    let server = serve(&place, &[], &[]);
    let counts = Arc::new(Counts::default());
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut work = JoinSet::new();
    let clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    for index in 0..CALLERS {
        let client = clients[index as usize % clients.len()].clone();
        work.spawn(caller(client, cases.clone(), counts.clone(), index, end));
    }
    let mut client = server.client();
    let (mut memory, mut in_flight) = (Vec::new(), Vec::new());
    while Instant::now() < end {
        // A caller that saw something wrong ends it all.
        while let Some(ended) = work.try_join_next() {
            ended.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.push(resident(&server));
        in_flight.push(status(&mut client).await.requests_in_flight as f64);
    }
    while let Some(ended) = within(work.join_next()).await {
        ended.unwrap();
    }
    wait_until_idle(&mut client).await;
    for (kind, count) in KINDS.iter().zip(&counts.0) {
        println!("{:>7} {kind}", count.load(Relaxed));
        assert!(seconds < 30 || count.load(Relaxed) > 0, "no {kind}");
    }
    let mib: Vec<u64> = memory.iter().map(|it| (it / 1048576.0) as u64).collect();
    println!("resident MiB each second: {mib:?}");
    println!("in flight, median: {}", median(&in_flight));
    assert!(median(&in_flight) >= IN_FLIGHT as f64, "{in_flight:?}");
    if memory.len() >= 40 {
        let settled = &memory[10..];
        let part = settled.len() / 5;
        let (early, late) = (median(&settled[..part]), median(&settled[settled.len() - part..]));
        println!(
            "resident, median: {} MiB early, {} MiB late",
            early / 1048576.0,
            late / 1048576.0
        );
        assert!(late < early * 1.05 + SLACK, "memory grows: {mib:?} MiB");
    }
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}
