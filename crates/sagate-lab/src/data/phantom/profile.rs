//! The interface of a family.

use ndarray::{Array2, Array3};
use sagate_core::imaging::Plane;

use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};

/// Signal `[channels, side, side]` of 0 to about 1, and labels `[side, side]` of 0 and 1.
pub(super) type Drawn = (Array3<f32>, Array2<u8>);

/// A family: what its task says, how it is acquired, and how its anatomy is drawn.
pub(super) struct Profile {
    pub description: &'static str,
    pub plane: Option<Plane>,
    pub channels: &'static [&'static str],
    pub values: &'static str,
    pub class: &'static str,
    pub colour: [u8; 3],
    pub noise: Noise,
    pub ranges: Ranges,
    /// Draws anatomy for a side in pixels and a difficulty.
    pub draw: fn(usize, f32, &mut PhantomRng) -> Drawn,
}
