//! The random numbers of an image.

use std::f32::consts::TAU;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

use super::Family;
use super::point::Point;
use crate::data::Split;

/// A seeded random number generator, with the distributions that the phantoms use.
pub(super) struct PhantomRng(ChaCha8Rng);

impl PhantomRng {
    /// The random numbers of one part (anatomy, acquisition, noise) of one image: they depend on its index in the plan alone, so that
    /// no other image and no other part changes them.
    pub fn new(family: Family, seed: u64, split: Split, index: usize, part: &str) -> Self {
        let mut hash = Sha256::new();
        for word in [family.name(), split.name(), part] {
            hash.update((word.len() as u64).to_le_bytes());
            hash.update(word);
        }
        hash.update(seed.to_le_bytes());
        hash.update((index as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// The generator itself.
    pub fn inner(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }

    /// Uniform from `low` to `high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.r#gen::<f32>()
    }

    /// Uniform up to `reach` to either side of `centre`.
    pub fn uniform_around(&mut self, centre: f32, reach: f32) -> f32 {
        self.uniform(centre - reach, centre + reach)
    }

    /// A uniform point in the square up to `reach` from `centre` along both axes.
    pub fn uniform_point(&mut self, centre: Point, reach: f32) -> Point {
        centre.map(|at| self.uniform_around(at, reach))
    }

    /// Uniform over the circle, in radians.
    pub fn angle(&mut self) -> f32 {
        self.uniform(0.0, TAU)
    }

    /// True with this probability.
    pub fn bernoulli(&mut self, probability: f32) -> bool {
        self.0.r#gen::<f32>() < probability
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.bernoulli(0.5) { 1.0 } else { -1.0 }
    }

    /// A whole number from `low` to `high`, both included.
    pub fn count(&mut self, low: usize, high: usize) -> usize {
        self.0.gen_range(low..=high)
    }

    /// Normally distributed, mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f32 {
        self.0.sample(StandardNormal)
    }
}
