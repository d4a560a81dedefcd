//! `B^T d B` of a run of tiles: rows `[d0 - d2, d1 + d2, d2 - d1, d1 - d3]` of the inputs, and columns of those likewise.

use protoseg::platform::fetch;

use super::lanes::{LANES, Lanes, add, load, sub};
use super::planes::Planes;
use super::sizes::TILE;

/// Tiles that are transformed for all channels before the next ones, so that their inputs stay in the L1 cache.
const PIECE: usize = 8;
/// Prefetch distance in inputs: those of the next piece.
const PREFETCH_DISTANCE: usize = PIECE * TILE;
/// Values of a cache line.
const LINE: usize = 16;

/// Where a run of tiles, next to each other, reads.
pub(super) struct Run<'a> {
    /// The four rows of inputs `[width, channels]` that the tiles see.
    pub rows: [&'a [f32]; 4],
    pub width: usize,
    pub channels: usize,
    /// Index of the first tile in its row.
    pub first: usize,
    pub tiles: usize,
}

impl Run<'_> {
    /// Writes the run's tiles to `planes` from `tile` on, its channels from `channel` on.
    #[inline(always)]
    pub fn write(&self, planes: &mut Planes<'_>, tile: usize, channel: usize) {
        for start in (0..self.tiles).step_by(PIECE) {
            let count = PIECE.min(self.tiles - start);
            for own in (0..self.channels).step_by(LANES) {
                self.write_piece(planes, start..start + count, own, tile, channel + own);
            }
        }
    }

    /// Some tiles of eight channels. Neighbours share two columns, so each column is added up once.
    #[inline(always)]
    fn write_piece(
        &self,
        planes: &mut Planes<'_>,
        tiles: std::ops::Range<usize>,
        own: usize,
        tile: usize,
        channel: usize,
    ) {
        // One column before the tile is its first: `x` counts from there.
        let mut x = TILE * (self.first + tiles.start);
        let mut before = [self.column(x, own), self.column(x + 1, own)];
        for index in tiles {
            x += TILE;
            if own.is_multiple_of(LINE) {
                self.fetch(x + PREFETCH_DISTANCE, own);
            }
            let after = [self.column(x, own), self.column(x + 1, own)];
            let [first, second] = &before;
            let [third, fourth] = &after;
            let mut slot = planes.at(tile + index, channel);
            for row in 0..4 {
                slot.put(4 * row, &sub(&first[row], &third[row]));
                slot.put(4 * row + 1, &add(&second[row], &third[row]));
                slot.put(4 * row + 2, &sub(&third[row], &second[row]));
                slot.put(4 * row + 3, &sub(&second[row], &fourth[row]));
            }
            before = after;
        }
    }

    /// A column of `B^T d`; `x` is its column in the image plus one. Columns outside the image are zero.
    #[inline(always)]
    fn column(&self, x: usize, channel: usize) -> [Lanes; 4] {
        if x == 0 || x > self.width {
            return [[0.0; LANES]; 4];
        }
        let offset = (x - 1) * self.channels + channel;
        let mut d = [[0.0; LANES]; 4];
        for (d, row) in d.iter_mut().zip(&self.rows) {
            *d = load(&row[offset..]);
        }
        [
            sub(&d[0], &d[2]),
            add(&d[1], &d[2]),
            sub(&d[2], &d[1]),
            sub(&d[1], &d[3]),
        ]
    }

    /// Prefetches the inputs of two columns.
    #[inline(always)]
    fn fetch(&self, x: usize, channel: usize) {
        for row in &self.rows {
            fetch(row, (x - 1) * self.channels + channel);
            fetch(row, x * self.channels + channel);
        }
    }
}
