//! Every answer is compared bit for bit during injected faults, for `SAGATE_FAULTS_SECONDS` (20); figures of memory, threads and
//! descriptors go to the folder `SAGATE_FAULTS_OUT`.
//! `make soak` runs it for an hour.
//!
//! What would break: a lost or different answer because of a fault, a server that reports ready while its default model does not
//! answer, and leaks after a fault.

#![allow(
    clippy::print_stdout,
    reason = "a client tells its parent, and numbers are for whoever runs it"
)]

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "support/killable_client/mod.rs"]
mod killable_client;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use binary::{Place, waves_image};
use grpc_calls::{Client, ExpectedImage, until, wait_until_idle, within};
use sagate::proto::v1;
use sagate::proto::v1::quality_control_client::QualityControlClient;
use sagate_lab::study::figure::{Axis, Figure, LinePanel, Lines, Series};
use server::{Server, request, serving, tensor};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use v1::segment_stream_response::Outcome;

/// Callers that faults must not affect.
const CALLERS: u64 = 6;
/// Time between two faults.
const PAUSE: Duration = Duration::from_millis(700);
/// Names the server to a client that is to be killed; without it the client's test does nothing.
const SERVER: &str = "TO_BE_KILLED_IN_A_SOAK";
/// Growth of memory that is no leak: what the allocator keeps of large images.
const SLACK_MIB: f64 = 8.0;

/// How long the folder of models stays broken: more of the server's looks, one a second, than take a version away that is gone.
const BROKEN: Duration = Duration::from_secs(5);
/// Between two checks of readiness.
const MOMENT: Duration = Duration::from_millis(20);

/// Where the clock jumps to, in seconds: two hours on, a day back, a month on, and right again.
const AHEAD: [i64; 4] = [7200, -86_400, 2_592_000, 0];

/// The faults, in turn.
const FAULTS: [&str; 12] = [
    "client killed in mid-stream",
    "slow reader",
    "half-open connections",
    "damaged model",
    "good model comes and goes",
    "SIGHUP",
    "clock jump",
    "sums of the default away",
    "folder of models away",
    "empty mount",
    "garbage version",
    "default replaced in place",
];

/// The client that is killed: opens streams without end, and says so when its first call is on its way.
#[tokio::test]
async fn the_client() {
    let Ok(url) = std::env::var(SERVER) else {
        return;
    };
    let mut client = QualityControlClient::connect(url).await.unwrap();
    println!("begun");
    loop {
        let images = (0..1000).map(|index| v1::SegmentStreamRequest {
            request: Some(request(&format!("{index}"), tensor(&waves_image(2, 96, 96)))),
        });
        let Ok(answers) = client.segment_stream(tokio_stream::iter(images)).await else {
            continue;
        };
        let mut answers = answers.into_inner();
        while let Ok(Some(_)) = answers.message().await {}
    }
}

/// A server whose disk for logs is full from the first line on, and whose clock is set by a file.
struct Subject {
    place: Place,
    server: Server,
    clock: PathBuf,
}

impl Subject {
    fn start() -> Subject {
        let place = Place::new(1, &[0.1, 0.2, 0.3]);
        // Beside the default, so that a listing without it is not empty.
        tiny_model::write_as("other", &place.path("models"), 1, Vec::new(), &[0.1]);
        let own = serving(&place, &[]);
        // The shell gives its place to the program, so that signals reach it.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"])
            .arg(own.get_program())
            .args(own.get_args())
            .current_dir(own.get_current_dir().unwrap())
            .env("SAGATE__LOG__LEVEL", "info")
            .env("SAGATE__MODELS__WATCH_SECONDS", "1")
            .env("SAGATE__AUDIT__FILE", "/dev/full");
        let clock = place.path("clock");
        set(&clock, 0);
        command
            .env("LD_PRELOAD", clock_that_jumps(&place))
            .env("CLOCK_AHEAD", &clock);
        let server = Server::with(&mut command);
        Subject { place, server, clock }
    }

    fn of_proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.server.pid()))
    }

    /// Resident MiB, threads and descriptors.
    fn holds(&self) -> [f64; 3] {
        let status = std::fs::read_to_string(self.of_proc("status")).unwrap();
        let of = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let descriptors = std::fs::read_dir(self.of_proc("fd")).unwrap().count();
        [of("VmRSS:") / 1024.0, of("Threads:"), descriptors as f64]
    }

    async fn fault(&self, kind: usize, round: u64) {
        match FAULTS[kind] {
            "client killed in mid-stream" => {
                let url = self.server.url();
                let moment = Duration::from_millis(round * 37 % 300);
                tokio::task::spawn_blocking(move || live_and_die(&url, moment))
                    .await
                    .unwrap();
            }
            "slow reader" => slow_reader(self.server.client()).await,
            "half-open connections" => self.half_open().await,
            "damaged model" => {
                let folder = tiny_model::copy_version(&self.place.path("models"), "tiny", 2);
                let weights = folder.join("weights.safetensors");
                let bytes = std::fs::read(&weights).unwrap();
                std::fs::write(weights, &bytes[..bytes.len() / 2]).unwrap();
                self.look_at_models(&folder).await;
            }
            "good model comes and goes" => {
                let folder = tiny_model::copy_version(&self.place.path("models"), "tiny", 3);
                self.look_at_models(&folder).await;
            }
            "SIGHUP" => self.server.signal("HUP"),
            "clock jump" => set(&self.clock, AHEAD[round as usize % AHEAD.len()]),
            "sums of the default away" => self.without("models/tiny/1/SHA256SUMS", false).await,
            "folder of models away" => self.without("models", false).await,
            "empty mount" => self.without("models", true).await,
            "garbage version" => {
                let folder = self.place.path("models/tiny/9");
                std::fs::create_dir(&folder).unwrap();
                for file in ["SHA256SUMS", "manifest.toml", "weights.safetensors"] {
                    std::fs::write(folder.join(file), [0xff; 512]).unwrap();
                }
                tokio::time::sleep(BROKEN).await;
                std::fs::remove_dir_all(folder).unwrap();
            }
            "default replaced in place" => self.replace_default(round).await,
            other => unreachable!("{other}"),
        }
    }

    /// Lets the server find a version, and then that it is gone.
    async fn look_at_models(&self, folder: &Path) {
        self.server.signal("USR2");
        tokio::time::sleep(PAUSE).await;
        std::fs::remove_dir_all(folder).unwrap();
        self.server.signal("USR2");
    }

    /// Moves something away for a while; in its place lies nothing, or an empty folder.
    async fn without(&self, what: &str, empty: bool) {
        let (from, to) = (self.place.path(what), self.place.path("away"));
        std::fs::rename(&from, &to).unwrap();
        if empty {
            std::fs::create_dir(&from).unwrap();
        }
        tokio::time::sleep(BROKEN).await;
        if empty {
            std::fs::remove_dir(&from).unwrap();
        }
        std::fs::rename(&to, &from).unwrap();
    }

    /// Replaces the default's files as somebody does who copies them: they go, come back in part, then whole. The weights are the same,
    /// the words are new. Waits until the new one answers.
    async fn replace_default(&self, round: u64) {
        let (version, staged) = (self.place.path("models/tiny/1"), self.place.path("staged"));
        copy_files(&version, &staged, |_| true);
        let manifest = std::fs::read_to_string(staged.join("manifest.toml")).unwrap();
        let words = format!("description = \"round {round}\"");
        let of_line = |line: &str| {
            if line.starts_with("description = ") {
                words.clone()
            } else {
                line.to_owned()
            }
        };
        let changed: Vec<String> = manifest.lines().map(of_line).collect();
        std::fs::write(staged.join("manifest.toml"), changed.join("\n") + "\n").unwrap();
        sagate_core::model::refresh_checksums(&staged).unwrap();
        let wanted = sagate_core::model::content_hash(&std::fs::read(staged.join("SHA256SUMS")).unwrap());
        std::fs::remove_dir_all(&version).unwrap();
        tokio::time::sleep(PAUSE).await;
        copy_files(&staged, &version, |name| {
            name == "SHA256SUMS" || name == "manifest.toml"
        });
        tokio::time::sleep(BROKEN).await;
        copy_files(&staged, &version, |_| true);
        std::fs::remove_dir_all(&staged).unwrap();
        let mut client = self.server.client();
        until("what was replaced in place is not swapped", async || {
            let asked = v1::GetModelRequest {
                model: Some(v1::ModelReference {
                    name: tiny_model::NAME.into(),
                    version: 1,
                }),
            };
            let answer = within(client.get_model(asked)).await.unwrap().into_inner();
            answer.summary.unwrap().model.unwrap().content_hash == wanted
        })
        .await;
    }

    /// `/readyz`.
    async fn is_ready(&self) -> bool {
        let address = self.server.admin().trim_start_matches("http://").to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(&address).unwrap();
            write!(
                stream,
                "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.starts_with("HTTP/1.1 200 ")
        });
        asked.await.unwrap()
    }

    fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.server.channel())
    }

    /// Holds readiness and health beside what answers, until the end.
    async fn watch_readiness(&self, case: &ExpectedImage, end: Instant) -> Readiness {
        let mut seen = Readiness::default();
        let (mut client, mut health) = (self.server.client(), self.health());
        while Instant::now() < end {
            let mut says = vec![self.is_ready().await];
            for service in [
                "",
                "sagate.v1.QualityControl",
                "inference.GRPCInferenceService",
                "tiny",
            ] {
                says.push(is_serving(&mut health, service).await);
            }
            let answer = within(client.segment(case.request("ready"))).await;
            seen.checks += 1;
            seen.not_ready += u64::from(says.contains(&false));
            seen.outages += u64::from(answer.is_err());
            assert!(
                answer.is_ok() || says.iter().all(|says| !says),
                "it says that it is ready ({says:?}) and answers {answer:?}"
            );
            tokio::time::sleep(MOMENT).await;
        }
        seen
    }

    /// The default is gone for good while another model is there: then, and only then, the server says that it is not ready.
    async fn default_goes_and_comes(&self, case: &ExpectedImage) {
        let (from, to) = (self.place.path("models/tiny"), self.place.path("away"));
        std::fs::rename(&from, &to).unwrap();
        until("a server without its default is ready", async || {
            !self.is_ready().await
        })
        .await;
        let mut client = self.server.client();
        within(client.segment(case.request("gone"))).await.unwrap_err();
        let mut health = self.health();
        for service in ["", "tiny", "tiny@1"] {
            assert!(!is_serving(&mut health, service).await, "`{service}`");
        }
        assert!(is_serving(&mut health, "other").await);
        std::fs::rename(&to, &from).unwrap();
        until("it is not ready again", async || self.is_ready().await).await;
        case.ask(&mut client).await;
    }

    /// Connections that say nothing, half of HTTP/2, or something else, and are left open for a while.
    async fn half_open(&self) {
        let address = self.server.url().trim_start_matches("http://").to_owned();
        let words: [&[u8]; 4] = [
            b"",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ];
        let open = |words: &&[u8]| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(words).unwrap();
            stream
        };
        let connections: Vec<TcpStream> = words.iter().cycle().take(20).map(open).collect();
        tokio::time::sleep(PAUSE).await;
        drop(connections);
    }
}

/// Health of a service or a model.
async fn is_serving(health: &mut HealthClient<Channel>, service: &str) -> bool {
    let asked = HealthCheckRequest {
        service: service.into(),
    };
    let answer = within(health.check(asked)).await.unwrap().into_inner();
    answer.status() == ServingStatus::Serving
}

/// What was seen of readiness.
#[derive(Default)]
struct Readiness {
    checks: u64,
    not_ready: u64,
    outages: u64,
}

fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if wanted(&entry.file_name().to_string_lossy()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Says how many seconds the server's clock is ahead.
fn set(clock: &Path, ahead: i64) {
    // In place, as the server has it mapped.
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(clock)
        .unwrap();
    file.write_all(&ahead.to_le_bytes()).unwrap();
}

/// Compiles what stands between the server and its clock.
fn clock_that_jumps(place: &Place) -> PathBuf {
    let library = place.path("ahead.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_clock/ahead.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .status();
    assert!(compiled.unwrap().success(), "cc compiles {}", source.display());
    library
}

/// Starts a client, and kills it so long after its first call.
fn live_and_die(url: &str, moment: Duration) {
    let mut child = killable_client::client(SERVER, url);
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Asks for every layer, reads nothing for a while, and goes away.
async fn slow_reader(mut client: Client) {
    let asked = v1::InterpretRequest {
        image: Some(tensor(&waves_image(3, 256, 256))),
        layers: Some(v1::LayerOptions {
            probability: v1::ProbabilityFormat::Float32.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answers = within(client.interpret(asked)).await.unwrap();
    tokio::time::sleep(2 * PAUSE).await;
    drop(answers);
}

/// A caller that faults must not affect: single images, streams and interpretations, each answer checked.
async fn caller(
    mut client: Client,
    cases: Arc<Vec<ExpectedImage>>,
    answered: Arc<AtomicU64>,
    first: u64,
    end: Instant,
) {
    let mut turn = first;
    while Instant::now() < end {
        let case = &cases[turn as usize % cases.len()];
        match turn % 3 {
            0 => case.ask(&mut client).await,
            1 => {
                let image = |index: u64| v1::SegmentStreamRequest {
                    request: Some(case.request(&index.to_string())),
                };
                let images = tokio_stream::iter((0..4).map(image).collect::<Vec<_>>());
                let mut answers = within(client.segment_stream(images)).await.unwrap().into_inner();
                for _ in 0..4 {
                    let answer = within(answers.message())
                        .await
                        .unwrap()
                        .expect("an answer is lost");
                    match answer.outcome.unwrap() {
                        Outcome::Segmentation(answer) => case.assert_is(&answer),
                        Outcome::Failure(failure) => panic!("nobody asked for {failure:?}"),
                    }
                }
            }
            _ => {
                let asked = case.request("look");
                let asked = v1::InterpretRequest {
                    request_id: asked.request_id,
                    image: asked.image,
                    options: asked.options,
                    ..Default::default()
                };
                let mut parts = within(client.interpret(asked)).await.unwrap().into_inner();
                let mut is_whole = false;
                while let Some(part) = within(parts.message()).await.unwrap() {
                    match part.part.unwrap() {
                        v1::interpret_response::Part::Segmentation(answer) => case.assert_is(&answer),
                        v1::interpret_response::Part::Summary(_) => is_whole = true,
                        _ => {}
                    }
                }
                assert!(is_whole, "an interpretation ended early");
            }
        }
        answered.fetch_add(1, Relaxed);
        turn += 1;
    }
}

/// What was seen at a second since the start.
struct Sample {
    second: f64,
    holds: [f64; 3],
    answered: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_the_faults_of_others() {
    let seconds = std::env::var("SAGATE_FAULTS_SECONDS").map_or(20, |it| it.parse().expect("whole seconds"));
    let subject = Subject::start();
    let sizes = [[40, 40], [64, 96], [128, 128], [33, 47]];
    let known = |(seed, [height, width]): (usize, [usize; 2])| {
        ExpectedImage::new(&subject.place, seed, height, width)
    };
    let cases: Arc<Vec<ExpectedImage>> = Arc::new(sizes.into_iter().enumerate().map(known).collect());
    let answered = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut work = JoinSet::new();
    for first in 0..CALLERS {
        let (client, cases, answered) = (subject.server.client(), cases.clone(), answered.clone());
        work.spawn(caller(client, cases, answered, first, end));
    }
    let mut done = [0u64; FAULTS.len()];
    let break_things = async {
        let mut round = 0;
        while Instant::now() < end {
            for (kind, done) in done.iter_mut().enumerate() {
                subject.fault(kind, round).await;
                *done += 1;
                tokio::time::sleep(PAUSE).await;
            }
            round += 1;
        }
    };
    let watch = async {
        let mut samples = Vec::new();
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_secs(1)).await;
            samples.push(Sample {
                second: begun.elapsed().as_secs_f64(),
                holds: subject.holds(),
                answered: answered.load(Relaxed),
            });
        }
        samples
    };
    let ready = subject.watch_readiness(&cases[0], end);
    let ((), samples, ready) = tokio::join!(break_things, watch, ready);
    while let Some(ended) = within(work.join_next()).await {
        ended.unwrap();
    }
    for (fault, done) in FAULTS.iter().zip(done) {
        println!("{done:>7} {fault}");
    }
    println!(
        "{:>7} calls answered, each as the library does",
        answered.load(Relaxed)
    );
    println!(
        "{:>7} checks of readiness: {} said no, and {} times the default did not answer",
        ready.checks, ready.not_ready, ready.outages
    );
    assert_eq!((ready.not_ready, ready.outages), (0, 0));
    let mut client = subject.server.client();
    wait_until_idle(&mut client).await;
    let lost = subject
        .server
        .metric("sagate_audit_lines_total{outcome=\"lost\"}");
    assert!(lost > 0.0, "the disk for the audit log was not full");
    let restarts = "sagate_model_restarts_total{model=\"tiny\",version=\"1\"}";
    assert_eq!(subject.server.metric(restarts), 0.0, "the model panicked");
    keep(&samples);
    assert_stable(&samples);
    until("connections stay open", async || {
        subject.holds()[2] <= samples[0].holds[2] + 4.0
    })
    .await;
    cases[0].ask(&mut client).await;
    subject.default_goes_and_comes(&cases[0]).await;
    assert_eq!(subject.server.stop().code, 0);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Compares the last fifth of a long run with the second one.
fn assert_stable(samples: &[Sample]) {
    let fifth = samples.len() / 5;
    for (index, what, slack) in [
        (0, "resident MiB", SLACK_MIB),
        // A version that comes and goes has some for a while, and so has its folder while it is read.
        (1, "threads", 3.0),
        (2, "descriptors", 8.0),
    ] {
        let of = |part: &[Sample]| median(part.iter().map(|sample| sample.holds[index]));
        let (early, late) = (of(&samples[fifth..2 * fifth]), of(&samples[4 * fifth..]));
        println!("{what}, median: {early:.1} early, {late:.1} late");
        assert!(
            samples.len() < 60 || late <= early * 1.05 + slack,
            "{what} grow from {early} to {late}"
        );
    }
}

/// Writes what was seen as a table and as pictures, where somebody wants it.
fn keep(samples: &[Sample]) {
    let Some(folder) = std::env::var_os("SAGATE_FAULTS_OUT").map(PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    let mut table = String::from("second,resident_mib,threads,descriptors,calls_answered\n");
    for sample in samples {
        let [memory, threads, descriptors] = sample.holds;
        let (second, answered) = (sample.second, sample.answered);
        writeln!(
            table,
            "{second:.1},{memory:.1},{threads},{descriptors},{answered}"
        )
        .unwrap();
    }
    std::fs::write(folder.join("faults.csv"), table).unwrap();
    for (index, name, label) in [
        (0, "memory", "resident memory"),
        (1, "threads", "threads"),
        (2, "descriptors", "file descriptors"),
    ] {
        let series = Series {
            name: label.into(),
            x: samples.iter().map(|sample| sample.second / 60.0).collect(),
            y: samples.iter().map(|sample| sample.holds[index]).collect(),
            ..Series::default()
        };
        let most = series.y.iter().copied().fold(0.0, f64::max);
        let figure = Figure::Lines(Lines {
            title: format!("{label} of the server, one fault after the other"),
            x: Axis::new("time").unit("min"),
            y: match index {
                0 => Axis::new(label).unit("MiB").range(0.0, most * 1.2),
                _ => Axis::new(label).range(0.0, most * 1.2),
            },
            panels: vec![LinePanel {
                series: vec![series],
                ..LinePanel::default()
            }],
            ..Lines::default()
        });
        std::fs::write(folder.join(format!("{name}.svg")), figure.svg().unwrap()).unwrap();
    }
}
