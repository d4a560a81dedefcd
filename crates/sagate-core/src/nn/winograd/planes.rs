//! Tiles in Winograd's form as they lie in memory.

use super::lanes::{LANES, Lanes};
use super::sizes::{POSITIONS, TILES};

/// Vectors between two planes: planes a multiple of 4 KiB apart would share a few lines of the cache.
const GAP: usize = 2;

/// Tiles in Winograd's form: a [`Plane`] a position.
pub(super) struct Planes<'a> {
    pub values: &'a mut [Lanes],
    pub channels: usize,
}

impl Planes<'_> {
    /// Where eight channels of a tile go.
    #[inline(always)]
    pub fn at(&mut self, tile: usize, channel: usize) -> Place<'_> {
        let (first, plane) = (channel / LANES * TILES + tile, plane(self.channels));
        Place {
            values: &mut self.values[first..=first + (POSITIONS - 1) * plane],
            plane,
        }
    }
}

/// Eight channels of a tile.
pub(super) struct Place<'a> {
    values: &'a mut [Lanes],
    plane: usize,
}

impl Place<'_> {
    #[inline(always)]
    pub fn put(&mut self, position: usize, lanes: &Lanes) {
        self.values[position * self.plane] = *lanes;
    }
}

/// Vectors of a position.
pub(super) fn plane(channels: usize) -> usize {
    TILES * channels / LANES + GAP
}
