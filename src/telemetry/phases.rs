//! The phases that an image goes through, and when.

use std::time::{Duration, Instant, SystemTime};

/// A phase of one image's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From bytes to pixels.
    Decode,
    /// Into the form that the model takes.
    Preprocess,
    /// Waiting for the model.
    Queue,
    /// The network.
    Forward,
    /// Prototypes, scores, mu and mask.
    Qc,
    /// Into the form of the answer.
    Encode,
}

impl Phase {
    /// Every phase, in the order of the way.
    pub const ALL: [Phase; 6] = [
        Phase::Decode,
        Phase::Preprocess,
        Phase::Queue,
        Phase::Forward,
        Phase::Qc,
        Phase::Encode,
    ];

    /// The phase as spans and labels call it.
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

/// When one image went through each phase.
#[derive(Debug, Clone)]
pub struct Phases {
    begun: Instant,
    begun_at: SystemTime,
    spans: Vec<(Phase, Instant, Instant)>,
}

impl Phases {
    /// Of an image that came in now.
    pub fn begin() -> Phases {
        Phases {
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            spans: Vec::with_capacity(Phase::ALL.len()),
        }
    }

    /// When the image came in.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Remembers a phase.
    pub fn add(&mut self, phase: Phase, from: Instant, to: Instant) {
        self.spans.push((phase, from, to));
    }

    /// How long a phase took; zero where the image did not get there.
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
