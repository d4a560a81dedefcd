//! When images come.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

/// When images come. Times are seconds from the beginning.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// From many senders who know nothing of each other, so many a second on the average.
    Poisson {
        /// Images a second, above 0.
        rate: f64,
    },
    /// The same with a rate that rises and falls once a day: `mean * (1 - swing * cos(2 pi t / 86400))`, least at midnight.
    Day {
        /// Images a second over the whole day, above 0.
        mean: f64,
        /// How far it swings, from 0 to 1.
        swing: f64,
    },
    /// At these moments, ascending.
    Trace(Vec<f64>),
    /// So many senders, each of whom sends the next image when the last is answered.
    Closed {
        /// Images on their way at all times.
        in_flight: usize,
    },
}

/// A trace that cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// A line that is no time.
    #[error(
        "line {line} is `{found}`; a time in seconds, not below 0 and not below the line before, would be right"
    )]
    Line {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// No line at all.
    #[error("holds no arrival: one time in seconds a line would be right")]
    Empty,
}

const DAY: f64 = 86_400.0;

impl Arrivals {
    /// A trace from text: one time in seconds a line, ascending; what follows a comma, empty lines and lines that begin with `#` are
    /// left out.
    ///
    /// # Errors
    /// The first line that is no time, or no line.
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

    /// When the next image comes, `count` having come and the last at `last`. `None`: no more of itself.
    pub(super) fn next(&self, count: usize, last: f64, chance: &mut ChaCha8Rng) -> Option<f64> {
        match self {
            Arrivals::Poisson { rate } => Some(last + gap(*rate, chance)),
            Arrivals::Day { mean, swing } => {
                // Thinning: candidates at the highest rate, each taken with the share that its moment has of it.
                let most = mean * (1.0 + swing);
                let mut time = last;
                loop {
                    time += gap(most, chance);
                    let rate = mean * (1.0 - swing * (std::f64::consts::TAU * time / DAY).cos());
                    if chance.r#gen::<f64>() * most < rate {
                        return Some(time);
                    }
                }
            }
            Arrivals::Trace(times) => times.get(count).copied(),
            Arrivals::Closed { in_flight } => (count < *in_flight).then_some(0.0),
        }
    }

    /// Whether each answer is followed by the next image.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Arrivals::Closed { .. })
    }
}

/// Seconds between two images of many senders who know nothing of each other, so many a second (above 0) on the average.
pub(crate) fn gap(rate: f64, chance: &mut ChaCha8Rng) -> f64 {
    let gap: f64 = Exp1.sample(chance);
    gap / rate
}
