//! The report of a load test, as written to JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Args;
use super::counters::Slot;
use super::load_mode::LoadMode;
use super::send::{EndedBy, Seen};
use super::subject::{Ready, Subject};
use super::sum::{Counted, milliseconds};
use crate::client::ServerStatus;

/// Above this share of the machine's cores the load generator itself may be the bottleneck.
const BUSY: f64 = 0.8;
/// Send lag above this share of the median latency makes the result unreliable.
const LATE: f64 = 0.1;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    pub server: String,
    pub server_version: Option<String>,
    /// Seconds since 1970.
    pub started: u64,
    pub ended_by: EndedBy,
    #[serde(flatten)]
    pub load_mode: LoadMode,
    pub connections: usize,
    pub seed: u64,
    pub warm_up_seconds: f64,
    /// Duration of the rates: from the end of the warm-up to the last response.
    pub seconds: f64,
    pub sent: u64,
    /// Due while `--max-in-flight` were in flight.
    pub not_sent: u64,
    /// Sent, without a response at the end of the test.
    pub unfinished: u64,
    /// Due within the warm-up: counted only in `sent`.
    pub warm_up_requests: u64,
    pub all: Part,
    pub kinds: Vec<OneKind>,
    pub course: Vec<Moment>,
    pub generator: Generator,
}

/// One kind of request.
#[derive(Debug, Serialize)]
pub struct OneKind {
    pub name: String,
    pub share: f64,
    pub model: String,
    pub content_hash: String,
    pub images: usize,
    pub deadline_seconds: Option<f64>,
    #[serde(flatten)]
    pub part: Part,
}

/// Outcomes of one kind of request, or of all.
#[derive(Debug, Default, Serialize)]
pub struct Part {
    pub requests: u64,
    /// By gRPC status code.
    pub codes: BTreeMap<&'static str, u64>,
    pub accepted: u64,
    pub rejected: u64,
    pub reasons: BTreeMap<String, u64>,
    /// Responses within the deadline (all, without one).
    pub in_time: u64,
    /// Among `DEADLINE_EXCEEDED`: the deadline passed on the client first.
    pub client_timeouts: u64,
    /// Among `UNAVAILABLE`: the connection failed.
    pub lost_connections: u64,
    /// Among `OK`: invalid responses.
    pub invalid_responses: u64,
    /// Responses that differ from the first to the same image.
    pub inconsistent_responses: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub answered_per_second: f64,
    /// Responses within the deadline per second.
    pub goodput_per_second: f64,
    /// Of responses, without coordinated omission. Open loop: from the due time. Closed loop: with HdrHistogram's correction.
    pub latency: Option<Latency>,
    /// Of responses, from sending.
    pub latency_from_sending: Option<Latency>,
    /// Of refusals, from sending.
    pub latency_of_refusals: Option<Latency>,
    /// `latency` and `latency_from_sending` over the share of requests: one in so many takes longer.
    pub curve: Vec<Point>,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Requests, those that the correction added counted in.
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

/// One in `one_in` takes longer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    pub one_in: f64,
    pub ms: f64,
    pub from_sending_ms: f64,
}

/// A time slot of the test, warm-up included.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Moment {
    pub from_seconds: f64,
    pub seconds: f64,
    pub answered: u64,
    pub in_time: u64,
    pub refused: u64,
    pub failed: u64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// Resources of the load generator, which must not be the bottleneck.
#[derive(Debug, Serialize)]
pub struct Generator {
    /// Mean busy cores of this process.
    pub cores: Option<f64>,
    /// Available cores.
    pub of: usize,
    /// Send lag.
    pub send_lag: Option<Latency>,
    /// Why the load generator may have limited the result.
    pub warning: Option<String>,
}

impl Report {
    pub fn new(
        args: &Args,
        load_mode: LoadMode,
        subject: &Subject,
        seen: &Seen,
        server: Option<ServerStatus>,
    ) -> Report {
        let counters = &seen.counters;
        let seconds = counters.last.as_secs_f64() - args.warm_up;
        let counted: Vec<Counted> = counters
            .kinds
            .iter()
            .map(|kind| Counted::of(kind, load_mode))
            .collect();
        let kinds: Vec<OneKind> = subject
            .kinds
            .iter()
            .zip(&counted)
            .map(|(ready, counted)| OneKind::new(ready, counted.part(seconds)))
            .collect();
        let all = Counted::sum(&counted).part(seconds);
        let ended: u64 = counters
            .slots
            .iter()
            .map(|it| it.answered + it.refused + it.failed)
            .sum();
        Report {
            server: args.server.to_string(),
            server_version: server.map(|it| it.version),
            started: seen.started,
            ended_by: seen.ended_by,
            load_mode,
            connections: args.connections,
            seed: args.seed,
            warm_up_seconds: args.warm_up,
            seconds,
            sent: seen.sent,
            not_sent: seen.not_sent,
            unfinished: seen.sent.saturating_sub(ended),
            warm_up_requests: counters.warm,
            generator: Generator::new(seen, &all),
            all,
            kinds,
            course: course(seen),
        }
    }

    /// Number of responses, warm-up included.
    pub fn answered(&self) -> u64 {
        self.course.iter().map(|it| it.answered).sum()
    }
}

impl OneKind {
    fn new(ready: &Ready, part: Part) -> OneKind {
        OneKind {
            name: ready.name.clone(),
            share: ready.share,
            model: ready.model.id.to_string(),
            content_hash: ready.model.hash.clone(),
            images: ready.requests.len(),
            deadline_seconds: ready.deadline.map(|it| it.as_secs_f64()),
            part,
        }
    }
}

fn course(seen: &Seen) -> Vec<Moment> {
    let slot = seen.counters.slot.as_secs_f64();
    let ended = seen.took.as_secs_f64();
    let moment = |(number, it): (usize, &Slot)| {
        let from = number as f64 * slot;
        let at = |share| (!it.latency.is_empty()).then(|| milliseconds(it.latency.value_at_quantile(share)));
        Moment {
            from_seconds: from,
            seconds: slot.min(ended - from),
            answered: it.answered,
            in_time: it.in_time,
            refused: it.refused,
            failed: it.failed,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    };
    seen.counters.slots.iter().enumerate().map(moment).collect()
}

impl Generator {
    fn new(seen: &Seen, all: &Part) -> Generator {
        let of = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = seen.cpu_seconds.map(|seconds| seconds / seen.took.as_secs_f64());
        let send_lag = Latency::of(&seen.counters.lag);
        let busy = cores.filter(|&cores| cores > BUSY * of as f64).map(|cores| {
            format!(
                "the load test kept {cores:.1} of {of} cores busy: run it on another machine, or send less"
            )
        });
        let median = all.latency.map(|it| it.p50_ms);
        let lagged = send_lag
            .zip(median)
            .filter(|(send_lag, median)| send_lag.p99_ms > LATE * median);
        let lagged = lagged.map(|(send_lag, median)| {
            format!(
                "one in a hundred requests left {:.1} ms late, with a median latency of {median:.1} ms: the load test had not the \
                 time to send them when they were due",
                send_lag.p99_ms
            )
        });
        Generator {
            cores,
            of,
            send_lag,
            warning: busy.or(lagged),
        }
    }
}
