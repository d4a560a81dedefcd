//! Counters of request outcomes, updated during the test.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tonic::Code;

use super::subject::Ready;
use crate::client::{ClientError, GatedSegmentation};
use crate::telemetry::code_name;

/// Latencies from a microsecond to two hours, to three digits.
const SLOWEST_US: u64 = 7_200_000_000;
const DIGITS: u8 = 3;
/// Digits of latencies per time slot, which are only plotted.
const SLOT_DIGITS: u8 = 2;
/// Most time slots of a test.
const SLOTS: u32 = 300;

/// One request and its outcome. Times count from the start of the test.
pub struct Sample {
    pub kind: usize,
    pub image: usize,
    /// When it was due; in a closed loop, when it was sent.
    pub due: Duration,
    pub sent: Duration,
    pub ended: Duration,
    pub outcome: Outcome,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

/// How a request ended.
pub enum Outcome {
    /// With a response.
    Answered(GatedSegmentation),
    /// The server refused it.
    Refused(Code),
    /// Its deadline passed on the client.
    TimedOut,
    /// The connection failed.
    Lost,
    /// With an invalid response.
    Invalid,
}

impl Outcome {
    pub fn of(result: Result<GatedSegmentation, ClientError>) -> Outcome {
        match result {
            Ok(judged) => Outcome::Answered(judged),
            Err(ClientError::Refused(refusal)) => Outcome::Refused(refusal.code),
            Err(ClientError::Silent { .. }) => Outcome::TimedOut,
            Err(ClientError::Answer { .. }) => Outcome::Invalid,
            Err(
                ClientError::Lost { .. }
                | ClientError::Unreachable { .. }
                | ClientError::Untrusted { .. }
                | ClientError::Leak { .. }
                | ClientError::Start(_),
            ) => Outcome::Lost,
        }
    }

    /// The gRPC status code.
    fn code(&self) -> Code {
        match self {
            Outcome::Answered(_) | Outcome::Invalid => Code::Ok,
            Outcome::Refused(code) => *code,
            Outcome::TimedOut => Code::DeadlineExceeded,
            Outcome::Lost => Code::Unavailable,
        }
    }
}

/// The counters of a test.
pub struct LoadtestCounters {
    warm_up: Duration,
    pub kinds: Vec<KindCounters>,
    pub slots: Vec<Slot>,
    /// Length of a slot.
    pub slot: Duration,
    /// Send lag of requests, in microseconds.
    pub lag: Histogram<u64>,
    /// Requests that were due within the warm-up.
    pub warm: u64,
    /// When the last request that counts ended.
    pub last: Duration,
}

/// Counters of one kind of request, without the warm-up.
pub struct KindCounters {
    deadline: Option<Duration>,
    /// Digest of the first response to each image.
    prints: Vec<Option<u64>>,
    pub codes: BTreeMap<&'static str, u64>,
    pub accepted: u64,
    pub rejected: u64,
    pub reasons: BTreeMap<String, u64>,
    /// Responses within the deadline, or all without one.
    pub in_time: u64,
    pub client_timeouts: u64,
    pub lost_connections: u64,
    pub invalid_responses: u64,
    /// Responses that differ from the first to the same image.
    pub inconsistent_responses: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Latency of responses in microseconds: from when the request was due, and from when it was sent.
    pub from_due: Histogram<u64>,
    pub from_sent: Histogram<u64>,
    /// Latency of refusals, from when the request was sent.
    pub refused: Histogram<u64>,
}

/// Counters of one time slot.
pub struct Slot {
    pub answered: u64,
    pub in_time: u64,
    pub refused: u64,
    pub failed: u64,
    /// Latency of responses from when the request was due, in microseconds.
    pub latency: Histogram<u64>,
}

/// An empty histogram.
pub fn latencies(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, SLOWEST_US, digits).expect("the bounds and digits are ones that it takes")
}

impl LoadtestCounters {
    /// For these kinds; everything ends within `longest`.
    pub fn new(kinds: &[Ready], warm_up: Duration, longest: Duration) -> LoadtestCounters {
        LoadtestCounters {
            warm_up,
            kinds: kinds.iter().map(KindCounters::new).collect(),
            slots: Vec::new(),
            slot: (longest / SLOTS).max(Duration::from_secs(1)),
            lag: latencies(DIGITS),
            warm: 0,
            last: warm_up,
        }
    }

    pub fn add(&mut self, sample: &Sample) {
        let from_due = micros(sample.ended.saturating_sub(sample.due));
        let in_time = self.kinds[sample.kind].in_time(sample);
        self.slot_at(sample.ended).add(&sample.outcome, in_time, from_due);
        if sample.due < self.warm_up {
            self.warm += 1;
            return;
        }
        self.last = self.last.max(sample.ended);
        self.lag
            .saturating_record(micros(sample.sent.saturating_sub(sample.due)));
        self.kinds[sample.kind].add(sample, in_time, from_due);
    }

    fn slot_at(&mut self, moment: Duration) -> &mut Slot {
        let index = (moment.as_nanos() / self.slot.as_nanos()) as usize;
        while self.slots.len() <= index {
            self.slots.push(Slot {
                answered: 0,
                in_time: 0,
                refused: 0,
                failed: 0,
                latency: latencies(SLOT_DIGITS),
            });
        }
        &mut self.slots[index]
    }
}

impl Slot {
    fn add(&mut self, outcome: &Outcome, in_time: bool, from_due: u64) {
        match outcome {
            Outcome::Answered(_) => {
                self.answered += 1;
                self.in_time += u64::from(in_time);
                self.latency.saturating_record(from_due);
            }
            Outcome::Refused(_) => self.refused += 1,
            Outcome::TimedOut | Outcome::Lost | Outcome::Invalid => self.failed += 1,
        }
    }
}

impl KindCounters {
    fn new(kind: &Ready) -> KindCounters {
        KindCounters {
            deadline: kind.deadline,
            prints: vec![None; kind.requests.len()],
            codes: BTreeMap::new(),
            accepted: 0,
            rejected: 0,
            reasons: BTreeMap::new(),
            in_time: 0,
            client_timeouts: 0,
            lost_connections: 0,
            invalid_responses: 0,
            inconsistent_responses: 0,
            sent_bytes: 0,
            received_bytes: 0,
            from_due: latencies(DIGITS),
            from_sent: latencies(DIGITS),
            refused: latencies(DIGITS),
        }
    }

    /// Whether it is a valid response within the deadline.
    fn in_time(&self, sample: &Sample) -> bool {
        let took = sample.ended.saturating_sub(sample.due);
        let within = self.deadline.is_none_or(|deadline| took <= deadline);
        matches!(sample.outcome, Outcome::Answered(_)) && within
    }

    fn add(&mut self, sample: &Sample, in_time: bool, from_due: u64) {
        let from_sent = micros(sample.ended.saturating_sub(sample.sent));
        *self.codes.entry(code_name(sample.outcome.code())).or_default() += 1;
        self.sent_bytes += sample.sent_bytes;
        self.received_bytes += sample.received_bytes;
        match &sample.outcome {
            Outcome::Answered(judged) => {
                self.in_time += u64::from(in_time);
                self.from_due.saturating_record(from_due);
                self.from_sent.saturating_record(from_sent);
                self.judged(sample.image, judged);
            }
            Outcome::Refused(_) => self.refused.saturating_record(from_sent),
            Outcome::TimedOut => self.client_timeouts += 1,
            Outcome::Lost => self.lost_connections += 1,
            Outcome::Invalid => self.invalid_responses += 1,
        }
    }

    fn judged(&mut self, image: usize, judged: &GatedSegmentation) {
        let count = if judged.decision.accept {
            &mut self.accepted
        } else {
            &mut self.rejected
        };
        *count += 1;
        for reason in &judged.decision.reasons {
            *self.reasons.entry(reason.to_string()).or_default() += 1;
        }
        let first = *self.prints[image].get_or_insert(judged.digest);
        self.inconsistent_responses += u64::from(first != judged.digest);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(SLOWEST_US).max(1)
}
