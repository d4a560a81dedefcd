//! Sends requests and collects outcomes.
//!
//! In an open loop a dedicated thread sleeps until each request is due and hands it to the runtime: the system's sleep is exact to about
//! 60 us, tokio's timers to a millisecond. The remaining send lag is measured and reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Serialize;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};

use super::Args;
use super::counters::{LoadtestCounters, Outcome, Sample};
use super::load_mode::{LoadMode, RequestSampler, Schedule};
use super::progress::Progress;
use super::subject::Subject;
use crate::client::ClientError;
use crate::telemetry::cpu_seconds;

/// Interval at which a sleeping thread checks whether to stop.
const NAP: Duration = Duration::from_millis(50);
/// Back-off of a closed-loop client after its connection failed.
const AFTER_LOSS: Duration = Duration::from_millis(100);
/// Minimum deadline to send: a passed one is refused by the server, not by the client.
const LEAST_DEADLINE: Duration = Duration::from_millis(1);
/// Interval of progress updates.
const BLINK: Duration = Duration::from_millis(250);

/// The measurements.
pub struct Seen {
    pub counters: LoadtestCounters,
    /// Sent requests.
    pub sent: u64,
    /// Requests that were due while too many were in flight.
    pub not_sent: u64,
    pub ended_by: EndedBy,
    /// Start of the test, in seconds since 1970.
    pub started: u64,
    /// Duration until the last response, or until the end of the test.
    pub took: Duration,
    /// CPU time of this process.
    pub cpu_seconds: Option<f64>,
}

/// What ended a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// --seconds.
    Time,
    /// --requests.
    Requests,
    /// Ctrl-C or SIGTERM.
    Signal,
}

/// State shared by senders and the collector.
struct Shared {
    subject: Arc<Subject>,
    begun: Instant,
    until: Duration,
    most: u64,
    most_in_flight: usize,
    stop: AtomicBool,
    /// Started requests; those beyond `most` are not sent.
    begun_requests: AtomicU64,
    sent: AtomicU64,
    not_sent: AtomicU64,
}

type Samples = mpsc::UnboundedSender<Sample>;

/// Sends until the end of time or requests or until a signal, and waits for the last responses.
pub fn send(
    runtime: &Runtime,
    args: &Args,
    load_mode: LoadMode,
    subject: &Arc<Subject>,
) -> anyhow::Result<Seen> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let cpu = cpu_seconds();
    let shared = Arc::new(Shared {
        subject: Arc::clone(subject),
        begun: Instant::now(),
        until: args.seconds,
        most: args.requests,
        most_in_flight: args.max_in_flight,
        stop: AtomicBool::new(false),
        begun_requests: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        not_sent: AtomicU64::new(0),
    });
    let received = start(runtime, &shared, load_mode, args.seed)?;
    let mut counters = LoadtestCounters::new(
        &subject.kinds,
        Duration::from_secs_f64(args.warm_up),
        args.seconds + args.drain_timeout,
    );
    let by_signal = runtime.block_on(collect(&mut counters, received, &shared, args.drain_timeout))?;
    let (sent, not_sent) = (shared.sent.load(Relaxed), shared.not_sent.load(Relaxed));
    Ok(Seen {
        counters,
        sent,
        not_sent,
        ended_by: match by_signal {
            true => EndedBy::Signal,
            false if sent + not_sent >= args.requests => EndedBy::Requests,
            false => EndedBy::Time,
        },
        started: started.map_or(0, |it| it.as_secs()),
        took: shared.begun.elapsed(),
        cpu_seconds: cpu.and_then(|before| Some(cpu_seconds()? - before)),
    })
}

/// Starts the senders; the channel of outcomes closes after the last.
fn start(
    runtime: &Runtime,
    shared: &Arc<Shared>,
    load_mode: LoadMode,
    seed: u64,
) -> anyhow::Result<mpsc::UnboundedReceiver<Sample>> {
    let (samples, received) = mpsc::unbounded_channel();
    let kinds = shared.subject.kinds.iter();
    let weights: Vec<(f64, usize)> = kinds.map(|kind| (kind.share, kind.requests.len())).collect();
    match load_mode {
        LoadMode::Open { rate, arrivals } => {
            let (handle, shared) = (runtime.handle().clone(), Arc::clone(shared));
            let schedule = Schedule::new(rate, arrivals, seed);
            let choice = RequestSampler::new(&weights, seed);
            std::thread::Builder::new()
                .name("arrivals".into())
                .spawn(move || open(&shared, &handle, schedule, choice, &samples))
                .context("the thread that sends cannot be started")?;
        }
        LoadMode::Closed { in_flight } => {
            for client in 0..in_flight {
                let choice = RequestSampler::new(&weights, seed.wrapping_add(client as u64));
                runtime.spawn(closed(Arc::clone(shared), choice, client, samples.clone()));
            }
        }
    }
    Ok(received)
}

/// Sends requests when they are due.
fn open(
    shared: &Arc<Shared>,
    runtime: &Handle,
    schedule: Schedule,
    mut choice: RequestSampler,
    samples: &Samples,
) {
    let places = Arc::new(Semaphore::new(shared.most_in_flight));
    for (number, due) in schedule.enumerate() {
        if due >= shared.until || !shared.begins() || !shared.sleep_until(due) {
            return;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            shared.not_sent.fetch_add(1, Relaxed);
            continue;
        };
        let (shared, samples, which) = (Arc::clone(shared), samples.clone(), choice.draw());
        runtime.spawn(async move {
            let (sample, _) = shared.one(number, which, Some(due)).await;
            // Fails only after the end of the test.
            let _ = samples.send(sample);
            drop(place);
        });
    }
}

/// One closed-loop client: sends the next request after each response; after a refusal, after the server's retry delay.
async fn closed(shared: Arc<Shared>, mut choice: RequestSampler, client: usize, samples: Samples) {
    while shared.begun.elapsed() < shared.until && shared.begins() {
        let (sample, pause) = shared.one(client, choice.draw(), None).await;
        if samples.send(sample).is_err() {
            return;
        }
        if let Some(pause) = pause {
            let left = shared.until.saturating_sub(shared.begun.elapsed());
            tokio::time::sleep(pause.min(left)).await;
        }
    }
}

impl Shared {
    /// Whether another request may be started.
    fn begins(&self) -> bool {
        !self.stop.load(Relaxed) && self.begun_requests.fetch_add(1, Relaxed) < self.most
    }

    /// Sleeps; false if the test has ended.
    fn sleep_until(&self, due: Duration) -> bool {
        loop {
            let left = due.saturating_sub(self.begun.elapsed());
            if self.stop.load(Relaxed) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// Sends one request; returns also the delay before the client's next.
    async fn one(
        &self,
        sender: usize,
        (kind, image): (usize, usize),
        due: Option<Duration>,
    ) -> (Sample, Option<Duration>) {
        let connections = &self.subject.connections;
        let connection = &connections[sender % connections.len()];
        let (ready, sent) = (&self.subject.kinds[kind], self.begun.elapsed());
        let request = &ready.requests[image];
        let due = due.unwrap_or(sent);
        // The deadline counts from the due time, whatever the send lag.
        let deadline = ready
            .deadline
            .map(|it| it.saturating_sub(sent.saturating_sub(due)).max(LEAST_DEADLINE));
        self.sent.fetch_add(1, Relaxed);
        let attempted = connection.attempt(request, deadline).await;
        let pause = match &attempted.outcome {
            Err(ClientError::Refused(refusal)) => refusal.retry_after,
            Err(ClientError::Lost { .. }) => Some(AFTER_LOSS),
            _ => None,
        };
        let sample = Sample {
            kind,
            image,
            due,
            sent,
            ended: self.begun.elapsed(),
            outcome: Outcome::of(attempted.outcome),
            sent_bytes: request.bytes(),
            received_bytes: attempted.received,
        };
        (sample, pause)
    }
}

/// Counts outcomes until the last one, the drain timeout, or a signal (true).
async fn collect(
    counters: &mut LoadtestCounters,
    mut received: mpsc::UnboundedReceiver<Sample>,
    shared: &Shared,
    drain_timeout: Duration,
) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
    let mut over = std::pin::pin!(tokio::time::sleep(shared.until + drain_timeout));
    let mut tick = tokio::time::interval(BLINK);
    let progress = Progress::new(shared.until);
    let by_signal = loop {
        tokio::select! {
            sample = received.recv() => match sample {
                Some(sample) => counters.add(&sample),
                None => break false,
            },
            _ = tick.tick() => progress.show(counters, shared.begun.elapsed(), shared.sent.load(Relaxed)),
            () = &mut over => break false,
            _ = interrupt.recv() => break true,
            _ = terminate.recv() => break true,
        }
    };
    shared.stop.store(true, Relaxed);
    while let Ok(sample) = received.try_recv() {
        counters.add(&sample);
    }
    progress.end();
    Ok(by_signal)
}
