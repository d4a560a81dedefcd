//! Load balancing.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Load balancing policy between ready replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancing {
    /// The least loaded of this number of random replicas (at least one): Envoy's `LEAST_REQUEST` with that `choice_count`.
    LeastOf(usize),
    /// The least loaded replica.
    Least,
    /// In turn.
    RoundRobin,
    /// A random replica.
    Random,
}

impl Balancing {
    /// Index of the chosen replica among `ready` ones, each with `load` images; `turn` is the number of earlier choices.
    pub(super) fn choose(
        self,
        ready: usize,
        load: impl Fn(usize) -> usize,
        turn: usize,
        rng: &mut ChaCha8Rng,
    ) -> usize {
        match self {
            Balancing::LeastOf(drawn) => {
                let first = rng.gen_range(0..ready);
                (1..drawn).fold(first, |least, _| {
                    let other = rng.gen_range(0..ready);
                    if load(other) < load(least) { other } else { least }
                })
            }
            Balancing::Least => (0..ready).min_by_key(|&place| load(place)).unwrap_or(0),
            Balancing::RoundRobin => turn % ready,
            Balancing::Random => rng.gen_range(0..ready),
        }
    }
}
