//! When requests are sent, and of which kind.

use std::time::Duration;

use clap::ValueEnum;
use rand::distributions::{Distribution, WeightedIndex};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::capacity::gap;

/// Arrival process of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Poisson process: exponential gaps, as from many independent callers
    Poisson,
    /// Equal gaps
    Even,
}

/// Open or closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "loop", rename_all = "lowercase")]
pub enum LoadMode {
    /// Requests leave when they are due.
    Open {
        /// Mean requests a second.
        rate: f64,
        /// Arrival process.
        arrivals: Arrivals,
    },
    /// Each response is followed by the next request.
    Closed {
        /// Concurrent requests.
        in_flight: usize,
    },
}

/// Due times of the requests of an open loop.
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

/// Draws the kind of the next request, and one of its images.
pub struct RequestSampler {
    kinds: WeightedIndex<f64>,
    images: Vec<usize>,
    chance: ChaCha8Rng,
}

impl RequestSampler {
    /// Kinds as pairs of share and number of images.
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
