//! When requests are sent, and which.

use std::time::Duration;

use clap::ValueEnum;
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::capacity::gap;

/// How the requests of an open loop follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// As from many callers who know nothing of each other: exponential gaps
    Poisson,
    /// One after the other, with equal gaps
    Even,
}

/// Open or closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "loop", rename_all = "lowercase")]
pub enum LoadMode {
    /// Requests leave when they are due.
    Open {
        /// A second, on the average.
        rate: f64,
        /// How they follow each other.
        arrivals: Arrivals,
    },
    /// Each answer is followed by the next request.
    Closed {
        /// Requests on their way at all times.
        in_flight: usize,
    },
}

/// Moments at which the requests of an open loop are due.
pub struct Schedule {
    rate: f64,
    arrivals: Arrivals,
    chance: ChaCha8Rng,
    due: f64,
}

impl Schedule {
    pub fn new(rate: f64, arrivals: Arrivals, seed: u64) -> Schedule {
        Schedule {
            rate,
            arrivals,
            chance: ChaCha8Rng::seed_from_u64(seed),
            due: 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.due += match self.arrivals {
            Arrivals::Even => 1.0 / self.rate,
            Arrivals::Poisson => gap(self.rate, &mut self.chance),
        };
        Some(Duration::from_secs_f64(self.due))
    }
}

/// Which kind is sent next, and which of its images.
pub struct RequestSampler {
    kinds: WeightedIndex<f64>,
    images: Vec<usize>,
    chance: ChaCha8Rng,
}

impl RequestSampler {
    /// Kinds by their shares, each with so many images.
    pub fn new(kinds: &[(f64, usize)], seed: u64) -> RequestSampler {
        RequestSampler {
            kinds: WeightedIndex::new(kinds.iter().map(|(share, _)| share))
                .expect("there is a kind, and every share was checked to be above 0"),
            images: kinds.iter().map(|(_, images)| *images).collect(),
            chance: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A kind and one of its images.
    pub fn draw(&mut self) -> (usize, usize) {
        let kind = self.kinds.sample(&mut self.chance);
        (kind, self.chance.gen_range(0..self.images[kind]))
    }
}
