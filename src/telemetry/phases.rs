//! Processing phases of an image, with their times.

use std::time::{Duration, Instant, SystemTime};

/// Processing phase of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Decoding of bytes to pixels.
    Decode,
    /// Preprocessing for the model.
    Preprocess,
    /// Waiting in the queue.
    Queue,
    /// Forward pass.
    Forward,
    /// Prototypes, scores, mu and mask.
    Qc,
    /// Encoding of the answer.
    Encode,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 6] = [
        Phase::Decode,
        Phase::Preprocess,
        Phase::Queue,
        Phase::Forward,
        Phase::Qc,
        Phase::Encode,
    ];

    /// Name in spans and labels.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Decode => "decode",
            Phase::Preprocess => "preprocess",
            Phase::Queue => "queue",
            Phase::Forward => "forward",
            Phase::Qc => "qc",
            Phase::Encode => "encode",
        }
    }
}

/// Times of the phases of one image.
#[derive(Debug, Clone)]
pub struct Phases {
    begun: Instant,
    begun_at: SystemTime,
    spans: Vec<(Phase, Instant, Instant)>,
}

impl Phases {
    /// Starts now.
    pub fn begin() -> Phases {
        Phases {
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            spans: Vec::with_capacity(Phase::ALL.len()),
        }
    }

    /// Arrival time.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Records a phase.
    pub fn add(&mut self, phase: Phase, from: Instant, to: Instant) {
        self.spans.push((phase, from, to));
    }

    /// Duration of a phase; zero if the image did not reach it.
    pub fn duration(&self, phase: Phase) -> Duration {
        let of_phase = self.spans.iter().filter(|(it, ..)| *it == phase);
        of_phase
            .map(|(_, from, to)| to.saturating_duration_since(*from))
            .sum()
    }

    /// Every phase with its begin and end on the wall clock, in the order in which they were added.
    pub fn on_the_clock(&self) -> impl Iterator<Item = (Phase, SystemTime, SystemTime)> + '_ {
        let at = |instant: Instant| self.begun_at + instant.saturating_duration_since(self.begun);
        self.spans
            .iter()
            .map(move |&(phase, from, to)| (phase, at(from), at(to)))
    }
}
