//! Pictures side by side, each under its title.

use image::RgbImage;

use super::canvas::{Canvas, Font, scaled};
use super::colour::{INK, PALE};

const MARGIN: u32 = 16;
const GAP: u32 = 12;
/// The figure aims at this width, within the bounds of a cell.
const WIDTH: u32 = 1400;
const CELL: std::ops::RangeInclusive<u32> = 144..=320;

/// One picture of a grid.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it shows, above it.
    pub title: String,
    /// The picture, of any size: all are brought to one.
    pub picture: RgbImage,
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
    let titles: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| Font::Small.wrap(&cell.title, width))
        .collect();

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
            canvas.lines(left, title_top, title, Font::Small, INK);
            let (x, y) = (left + (width - picture.width()) / 2, top + title_height);
            canvas.picture(x, y, picture);
            canvas.frame(x, y, picture.width(), picture.height(), PALE);
        }
        top += title_height + height + GAP;
    }
    canvas.finish()
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
