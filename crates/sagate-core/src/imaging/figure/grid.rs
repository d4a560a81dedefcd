//! Pictures side by side, each under its title.

use image::{Rgb, RgbImage};

use super::canvas::{Canvas, Font, scaled};
use super::colour::{INK, PALE, WARNING};

const MARGIN: u32 = 16;
const GAP: u32 = 12;
/// Pixels of the frame around a picture with a warning.
const WARNING_FRAME: u32 = 3;
/// The figure aims at this width, within the bounds of a cell.
const WIDTH: u32 = 1400;
const CELL: std::ops::RangeInclusive<u32> = 144..=320;

/// One picture of a grid.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it shows, above it.
    pub title: String,
    /// What is wrong about it: written above the picture in red, with a red frame around it.
    pub warning: Option<String>,
    /// The picture, of any size: all are brought to one.
    pub picture: RgbImage,
}

impl Cell {
    /// A picture without a warning.
    pub fn new(title: impl Into<String>, picture: RgbImage) -> Cell {
        Cell {
            title: title.into(),
            warning: None,
            picture,
        }
    }
}

/// Cells in rows of `columns` (at least 1) under a heading. Small pictures are enlarged by whole factors, large ones
/// reduced.
pub fn grid(cells: &[Cell], columns: usize, heading: &str) -> RgbImage {
    let columns = columns.clamp(1, cells.len().max(1));
    let count = columns as u32;
    let side = (WIDTH / count).clamp(*CELL.start(), *CELL.end());
    let pictures: Vec<RgbImage> = cells.iter().map(|cell| fitted(&cell.picture, side)).collect();
    let width = pictures
        .iter()
        .map(RgbImage::width)
        .max()
        .unwrap_or(side)
        .max(*CELL.start());
    let height = pictures.iter().map(RgbImage::height).max().unwrap_or(side);
    let titles: Vec<Vec<(String, Rgb<u8>)>> = cells.iter().map(|cell| title(cell, width)).collect();

    let sheet = count * width + (count - 1) * GAP;
    let heading = Font::Large.wrap(heading, sheet);
    let rows: Vec<u32> = titles
        .chunks(columns)
        .map(|row| row.iter().map(Vec::len).max().unwrap_or(0) as u32 * Font::Small.line() + 2)
        .collect();
    let body: u32 = rows.iter().map(|title| title + height + GAP).sum();
    let above = heading.len() as u32 * Font::Large.line() + if heading.is_empty() { 0 } else { GAP };
    let mut canvas = Canvas::new(sheet + 2 * MARGIN, above + body + 2 * MARGIN - GAP.min(body));
    canvas.lines(MARGIN, MARGIN, &heading, Font::Large, INK);

    let mut top = MARGIN + above;
    for (row, &title_height) in rows.iter().enumerate() {
        for column in 0..columns {
            let Some((picture, title)) = pictures
                .get(row * columns + column)
                .zip(titles.get(row * columns + column))
            else {
                break;
            };
            let left = MARGIN + column as u32 * (width + GAP);
            // A short title stands right above its picture.
            let title_top = top + title_height - 2 - title.len() as u32 * Font::Small.line();
            for (line, (text, colour)) in (0..).zip(title) {
                canvas.text(
                    left,
                    title_top + line * Font::Small.line(),
                    text,
                    Font::Small,
                    *colour,
                );
            }
            let (x, y) = (left + (width - picture.width()) / 2, top + title_height);
            canvas.picture(x, y, picture);
            let (widest, colour) = match cells[row * columns + column].warning {
                Some(_) => (WARNING_FRAME, WARNING),
                None => (1, PALE),
            };
            for inset in 0..widest {
                let [width, height] =
                    [picture.width(), picture.height()].map(|side| side.saturating_sub(2 * inset));
                canvas.frame(x + inset, y + inset, width, height, colour);
            }
        }
        top += title_height + height + GAP;
    }
    canvas.finish()
}

/// The lines above a picture, each with its colour.
fn title(cell: &Cell, width: u32) -> Vec<(String, Rgb<u8>)> {
    let lines = |text: &str, colour| {
        Font::Small
            .wrap(text, width)
            .into_iter()
            .map(move |line| (line, colour))
    };
    let warning = cell.warning.as_deref().unwrap_or_default();
    lines(&cell.title, INK).chain(lines(warning, WARNING)).collect()
}

/// The picture with its longer side brought near `side`.
fn fitted(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height).max(1);
    if longer <= side {
        let factor = side / longer;
        scaled(picture, width * factor, height * factor)
    } else {
        let share = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)) as u32;
        scaled(picture, share(width), share(height))
    }
}
