//! Which replica gets an image.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Which replica gets an image, of those that are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancing {
    /// Of so many that are drawn, at least one, the one with the fewest images: Envoy's `LEAST_REQUEST` with that `choice_count`.
    LeastOf(usize),
    /// Of all, the one with the fewest images.
    Least,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
}

impl Balancing {
    /// A place among so many ready replicas, of which each has `load` images; `turn` counts the choices that were made.
    pub(super) fn choose(
        self,
        ready: usize,
        load: impl Fn(usize) -> usize,
        turn: usize,
        chance: &mut ChaCha8Rng,
    ) -> usize {
        match self {
            Balancing::LeastOf(drawn) => {
                let first = chance.gen_range(0..ready);
                (1..drawn).fold(first, |least, _| {
                    let other = chance.gen_range(0..ready);
                    if load(other) < load(least) { other } else { least }
                })
            }
            Balancing::Least => (0..ready).min_by_key(|&place| load(place)).unwrap_or(0),
            Balancing::RoundRobin => turn % ready,
            Balancing::Random => chance.gen_range(0..ready),
        }
    }
}
