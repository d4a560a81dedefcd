//! Memory layout of tiles in Winograd's form.

use super::lanes::{LANES, Lanes};
use super::sizes::{POSITIONS, TILES};

/// Padding between two planes, in vectors: planes at a distance of a multiple of 4 KiB would share cache sets.
const GAP: usize = 2;

/// Tiles in Winograd's form: a [`Plane`] a position.
pub(super) struct Planes<'a> {
    pub values: &'a mut [Lanes],
    pub channels: usize,
}

impl Planes<'_> {
    /// The slot of eight channels of a tile.
    #[inline(always)]
    pub fn at(&mut self, tile: usize, channel: usize) -> Slot<'_> {
        let (first, plane) = (channel / LANES * TILES + tile, plane(self.channels));
        Slot {
            values: &mut self.values[first..=first + (POSITIONS - 1) * plane],
            plane,
        }
    }
}

/// Eight channels of a tile.
pub(super) struct Slot<'a> {
    values: &'a mut [Lanes],
    plane: usize,
}

impl Slot<'_> {
    #[inline(always)]
    pub fn put(&mut self, position: usize, lanes: &Lanes) {
        self.values[position * self.plane] = *lanes;
    }
}

/// Vectors of a position.
pub(super) fn plane(channels: usize) -> usize {
    TILES * channels / LANES + GAP
}
