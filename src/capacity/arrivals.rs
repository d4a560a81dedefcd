//! Arrival processes.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

/// Arrival process of images. Times are in seconds from the beginning.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// Poisson process: many independent senders.
    Poisson {
        /// Mean images per second, above 0.
        rate: f64,
    },
    /// Poisson process with a daily cycle of the rate: `mean * (1 - swing * cos(2 pi t / 86400))`, least at midnight.
    Day {
        /// Mean images per second over a day, above 0.
        mean: f64,
        /// Relative amplitude, from 0 to 1.
        swing: f64,
    },
    /// Recorded arrival times, ascending.
    Trace(Vec<f64>),
    /// Closed loop: each sender sends its next image after the last answer.
    Closed {
        /// Constant number of images in flight.
        in_flight: usize,
    },
}

/// A trace that cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// An invalid line.
    #[error(
        "line {line} is `{found}`; a time in seconds, not below 0 and not below the line before, would be right"
    )]
    Line {
        /// Line number, from 1.
        line: usize,
        /// Its content.
        found: String,
    },
    /// No line at all.
    #[error("holds no arrival: one time in seconds a line would be right")]
    Empty,
}

const DAY: f64 = 86_400.0;

impl Arrivals {
    /// Parses a trace: one time in seconds per line, ascending. Text after a comma, empty lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// The first invalid line, or an empty trace.
    pub fn read_trace(text: &str) -> Result<Arrivals, TraceError> {
        let mut times: Vec<f64> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let field = line.split(',').next().unwrap_or_default().trim();
            if field.is_empty() || field.starts_with('#') {
                continue;
            }
            let least = times.last().copied().unwrap_or(0.0);
            match field.parse() {
                Ok(time) if time >= least && f64::is_finite(time) => times.push(time),
                _ => {
                    return Err(TraceError::Line {
                        line: index + 1,
                        found: field.chars().take(40).collect(),
                    });
                }
            }
        }
        if times.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Arrivals::Trace(times))
    }

    /// Time of the next arrival after `count` arrivals, the last one at `last`. `None`: none, except in reaction to an answer.
    pub(super) fn next(&self, count: usize, last: f64, rng: &mut ChaCha8Rng) -> Option<f64> {
        match self {
            Arrivals::Poisson { rate } => Some(last + gap(*rate, rng)),
            Arrivals::Day { mean, swing } => {
                // Thinning: candidates at the peak rate, each accepted with probability rate / peak.
                let most = mean * (1.0 + swing);
                let mut time = last;
                loop {
                    time += gap(most, rng);
                    let rate = mean * (1.0 - swing * (std::f64::consts::TAU * time / DAY).cos());
                    if rng.r#gen::<f64>() * most < rate {
                        return Some(time);
                    }
                }
            }
            Arrivals::Trace(times) => times.get(count).copied(),
            Arrivals::Closed { in_flight } => (count < *in_flight).then_some(0.0),
        }
    }

    /// Whether each answer triggers the next image.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Arrivals::Closed { .. })
    }
}

/// Exponential inter-arrival time in seconds for this rate (above 0).
pub(crate) fn gap(rate: f64, rng: &mut ChaCha8Rng) -> f64 {
    let gap: f64 = Exp1.sample(rng);
    gap / rate
}
