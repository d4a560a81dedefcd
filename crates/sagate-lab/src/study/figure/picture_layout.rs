//! Layout of a table of pictures.

use super::pictures::{PictureRow, Pictures, Tile};
use super::text::Font;

pub(super) const MARGIN: f64 = 14.0;
pub(super) const GAP: f64 = 8.0;
/// Width of the table that the pictures are enlarged to fill, in pixels.
const FULL: f64 = 960.0;
/// The least and the greatest width of a picture.
const MIN_WIDTH: f64 = 64.0;
const MAX_WIDTH: f64 = 220.0;
/// Width of the headings at the left.
const HEADING: f64 = 120.0;
/// Width of the colour bar, and pixels above it and above the note.
pub(super) const BAR: f64 = 260.0;
pub(super) const BAR_GAP: f64 = 8.0;
pub(super) const NOTE_GAP: f64 = 8.0;

/// The layout.
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    left: f64,
    pub tile: f64,
    pub title: Vec<String>,
    pub columns: Vec<Vec<String>>,
    /// Pixels of the headings above the columns.
    pub heading: f64,
    pub rows: Vec<RowLayout>,
    pub notes: Vec<String>,
}

pub(super) struct RowLayout {
    pub heading: Vec<String>,
    pub captions: Vec<Vec<String>>,
    /// Pixels of its highest picture, and of the captions below.
    pub height: f64,
    pub below: f64,
}

impl Layout {
    pub fn new(figure: &Pictures) -> Self {
        let count = figure.rows[0].tiles.len();
        let headings = figure.rows.iter().map(|row| Font::HEADING.width(&row.heading));
        let heading_width = headings.fold(0.0, f64::max).min(HEADING);
        let left = if heading_width > 0.0 {
            MARGIN + heading_width + 10.0
        } else {
            MARGIN
        };
        let gaps = GAP * (count - 1) as f64;
        let tile = ((FULL - left - MARGIN - gaps) / count as f64)
            .clamp(MIN_WIDTH, MAX_WIDTH)
            .floor();
        let bar = if figure.scale.is_some() { BAR * 1.5 } else { 0.0 };
        let width = (left + count as f64 * tile + gaps).max(left + bar).max(360.0) + MARGIN;
        let inner = width - 2.0 * MARGIN;

        let title = Font::TITLE.wrap(&figure.title, inner);
        let columns: Vec<Vec<String>> = figure
            .columns
            .iter()
            .map(|heading| Font::HEADING.wrap(heading, tile))
            .collect();
        let heading = columns.iter().map(Vec::len).max().unwrap_or_default() as f64 * Font::HEADING.line();
        let rows: Vec<RowLayout> = figure
            .rows
            .iter()
            .map(|row| RowLayout::new(row, tile, heading_width))
            .collect();
        let notes = figure
            .note
            .iter()
            .flat_map(|note| Font::NOTE.wrap(note, inner))
            .collect::<Vec<_>>();
        let bar = figure.scale.as_ref().map_or(0.0, |scale| {
            let label = Font::LABEL.wrap(&scale.label, BAR * 1.5).len() as f64 * Font::LABEL.line();
            BAR_GAP + label + 3.0 + 12.0 + 2.0 + Font::TICK.line()
        });
        let tiles: f64 = rows.iter().map(|row| row.height + row.below + GAP).sum();
        let height = MARGIN
            + title.len() as f64 * Font::TITLE.line()
            + 12.0
            + heading
            + tiles
            + bar
            + NOTE_GAP
            + notes.len() as f64 * Font::NOTE.line()
            + MARGIN;
        Self {
            width,
            height,
            left,
            tile,
            title,
            columns,
            heading,
            rows,
            notes,
        }
    }

    /// Where a column begins.
    pub fn x(&self, column: usize) -> f64 {
        self.left + column as f64 * (self.tile + GAP)
    }
}

impl RowLayout {
    fn new(row: &PictureRow, tile: f64, heading: f64) -> Self {
        let captions: Vec<Vec<String>> = row
            .tiles
            .iter()
            .map(|tile_of| {
                tile_of
                    .as_ref()
                    .map_or_else(Vec::new, |own| Font::SMALL.wrap(&own.caption, tile))
            })
            .collect();
        let tallest = row.tiles.iter().flatten().map(proportion).fold(0.0, f64::max);
        let heading = Font::HEADING.wrap(&row.heading, heading);
        let least = heading.len() as f64 * Font::HEADING.line();
        let lines = captions.iter().map(Vec::len).max().unwrap_or_default() as f64;
        Self {
            heading,
            captions,
            height: (tallest * tile).max(least),
            below: if lines > 0.0 {
                3.0 + lines * Font::SMALL.line()
            } else {
                0.0
            },
        }
    }
}

/// Height over width, within what can be shown.
pub(super) fn proportion(tile: &Tile) -> f64 {
    (f64::from(tile.picture.height()) / f64::from(tile.picture.width())).clamp(0.1, 10.0)
}
