//! What the colours in a figure stand for.

use image::Rgb;

use super::canvas::{Canvas, Font};
use super::colour::INK;

const SWATCH: u32 = 14;
const GAP: u32 = 6;
const BETWEEN: u32 = 20;
const FONT: Font = Font::Small;

/// One entry: how it is drawn, and its name.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) colour: [u8; 3],
    pub(super) dashed: bool,
}

/// Entries laid out in rows.
pub(super) struct Legend {
    rows: Vec<Vec<Entry>>,
}

impl Legend {
    /// Rows no wider than `width`, but one entry at least in each.
    pub(super) fn new(entries: Vec<Entry>, width: u32) -> Self {
        let mut rows: Vec<Vec<Entry>> = Vec::new();
        let mut used = 0;
        for entry in entries {
            let needed = entry_width(&entry);
            match rows.last_mut() {
                Some(row) if used + BETWEEN + needed <= width => {
                    used += BETWEEN + needed;
                    row.push(entry);
                }
                _ => {
                    used = needed;
                    rows.push(vec![entry]);
                }
            }
        }
        Self { rows }
    }

    pub(super) fn height(&self) -> u32 {
        self.rows.len() as u32 * (FONT.line() + 4)
    }

    /// The widest row.
    pub(super) fn width(&self) -> u32 {
        let row = |row: &Vec<Entry>| {
            row.iter().map(entry_width).sum::<u32>() + BETWEEN * (row.len() as u32).saturating_sub(1)
        };
        self.rows.iter().map(row).max().unwrap_or(0)
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, left: u32, mut top: u32) {
        for row in &self.rows {
            let mut x = left;
            for entry in row {
                let y = top + (FONT.line() - SWATCH) / 2;
                draw_swatch(canvas, x, y, entry);
                canvas.text(x + SWATCH + GAP, top, &entry.name, FONT, INK);
                x += entry_width(entry) + BETWEEN;
            }
            top += FONT.line() + 4;
        }
    }
}

fn entry_width(entry: &Entry) -> u32 {
    SWATCH + GAP + FONT.width(&entry.name)
}

fn draw_swatch(canvas: &mut Canvas, left: u32, top: u32, entry: &Entry) {
    if entry.dashed {
        // Light colours need a dark ground to be seen on paper.
        canvas.fill(left, top, SWATCH, SWATCH, INK);
        canvas.fill(left + 1, top + 6, 5, 3, Rgb(entry.colour));
        canvas.fill(left + 8, top + 6, 5, 3, Rgb(entry.colour));
    } else {
        canvas.fill(left, top, SWATCH, SWATCH, Rgb(entry.colour));
        canvas.frame(left, top, SWATCH, SWATCH, INK);
    }
}
