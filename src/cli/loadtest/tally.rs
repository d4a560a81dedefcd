//! What came of the requests, counted as it comes.

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
/// Latencies of one slot of the course; they are drawn, not quoted.
const SLOT_DIGITS: u8 = 2;
/// Slots of the course, at most.
const SLOTS: u32 = 300;

/// One request and what came of it. Times count from the begin of the test.
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
    /// With an answer.
    Answered(GatedSegmentation),
    /// The server said that it will not.
    Refused(Code),
    /// Its deadline passed on this side.
    OutOfTime,
    /// The connection broke, or there was none.
    Lost,
    /// With an answer that makes no sense.
    Senseless,
}

impl Outcome {
    pub fn of(result: Result<GatedSegmentation, ClientError>) -> Outcome {
        match result {
            Ok(judged) => Outcome::Answered(judged),
            Err(ClientError::Refused(refusal)) => Outcome::Refused(refusal.code),
            Err(ClientError::Silent { .. }) => Outcome::OutOfTime,
            Err(ClientError::Answer { .. }) => Outcome::Senseless,
            Err(
                ClientError::Lost { .. }
                | ClientError::Unreachable { .. }
                | ClientError::Untrusted { .. }
                | ClientError::Leak { .. }
                | ClientError::Start(_),
            ) => Outcome::Lost,
        }
    }

    /// The status code as any gRPC client sees it.
    fn code(&self) -> Code {
        match self {
            Outcome::Answered(_) | Outcome::Senseless => Code::Ok,
            Outcome::Refused(code) => *code,
            Outcome::OutOfTime => Code::DeadlineExceeded,
            Outcome::Lost => Code::Unavailable,
        }
    }
}

/// Everything that was counted.
pub struct Tally {
    warm_up: Duration,
    pub kinds: Vec<OfKind>,
    pub slots: Vec<Slot>,
    /// How long a slot is.
    pub slot: Duration,
    /// How long after they were due requests left, in microseconds.
    pub lag: Histogram<u64>,
    /// Requests that were due within the warm-up.
    pub warm: u64,
    /// When the last request that counts ended.
    pub last: Duration,
}

/// What came of one kind of request, the warm-up left out.
pub struct OfKind {
    deadline: Option<Duration>,
    /// What the answers to each image looked like first.
    prints: Vec<Option<u64>>,
    pub codes: BTreeMap<&'static str, u64>,
    pub accepted: u64,
    pub rejected: u64,
    pub reasons: BTreeMap<String, u64>,
    /// Answers that came within the deadline, or at all where there is none.
    pub in_time: u64,
    pub out_of_time: u64,
    pub lost: u64,
    pub senseless: u64,
    /// Answers that say something else than the first to the same image.
    pub different: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Of answers, in microseconds: from when the request was due, and from when it left.
    pub from_due: Histogram<u64>,
    pub from_sent: Histogram<u64>,
    /// Of refusals, from when the request left.
    pub refused: Histogram<u64>,
}

/// What ended within a span of time.
pub struct Slot {
    pub answered: u64,
    pub in_time: u64,
    pub refused: u64,
    pub failed: u64,
    /// Of answers, from when the request was due, in microseconds.
    pub latency: Histogram<u64>,
}

/// An empty histogram.
pub fn latencies(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, SLOWEST_US, digits).expect("the bounds and digits are ones that it takes")
}

impl Tally {
    /// For these kinds; everything ends within `longest`.
    pub fn new(kinds: &[Ready], warm_up: Duration, longest: Duration) -> Tally {
        Tally {
            warm_up,
            kinds: kinds.iter().map(OfKind::new).collect(),
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
            Outcome::OutOfTime | Outcome::Lost | Outcome::Senseless => self.failed += 1,
        }
    }
}

impl OfKind {
    fn new(kind: &Ready) -> OfKind {
        OfKind {
            deadline: kind.deadline,
            prints: vec![None; kind.requests.len()],
            codes: BTreeMap::new(),
            accepted: 0,
            rejected: 0,
            reasons: BTreeMap::new(),
            in_time: 0,
            out_of_time: 0,
            lost: 0,
            senseless: 0,
            different: 0,
            sent_bytes: 0,
            received_bytes: 0,
            from_due: latencies(DIGITS),
            from_sent: latencies(DIGITS),
            refused: latencies(DIGITS),
        }
    }

    /// Whether it is an answer that was worth something.
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
            Outcome::OutOfTime => self.out_of_time += 1,
            Outcome::Lost => self.lost += 1,
            Outcome::Senseless => self.senseless += 1,
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
        self.different += u64::from(first != judged.digest);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(SLOWEST_US).max(1)
}
