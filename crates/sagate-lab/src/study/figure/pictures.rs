//! A table of pictures: feature maps, SAMs, heat maps, each with a caption, under headings.

use image::RgbImage;
use sagate_core::imaging::figure::{encode_png, viridis};
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::colour::Colour;
use super::picture;
use super::picture_layout::{BAR, BAR_GAP, GAP, Layout, MARGIN, NOTE_GAP, proportion};
use super::sheet::{Anchor, Rect, Sheet};
use super::text::Font;
use super::ticks::number;
use super::{FigureError, listed};

/// Pictures in rows and columns. They keep the proportions of their sides and are enlarged pixel by pixel, all to one
/// width.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pictures {
    /// Above the figure.
    pub title: String,
    /// Below the figure.
    pub note: Option<String>,
    /// Headings above the columns: none, or one for each.
    pub columns: Vec<String>,
    /// At least one, all of one length.
    pub rows: Vec<PictureRow>,
    /// Which colour is which value.
    pub scale: Option<ColourBar>,
}

/// One row of [`Pictures`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureRow {
    /// At the left; may be empty.
    pub heading: String,
    /// Its pictures from left to right; none where a place stays empty.
    pub tiles: Vec<Option<Tile>>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// What is shown; [`sagate_core::imaging::figure::grey`], [`sagate_core::imaging::figure::heat`] and
    /// [`sagate_core::imaging::figure::masked`] make such pictures.
    #[serde(with = "picture")]
    pub picture: RgbImage,
    /// Below it; may be empty.
    pub caption: String,
}

/// What the colours of the pictures mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColourBar {
    /// What is measured.
    pub label: String,
    /// The value of the first colour.
    pub low: f64,
    /// The value of the last colour.
    pub high: f64,
    /// The colours.
    pub palette: Palette,
}

/// The colours between a low and a high value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Palette {
    /// [`sagate_core::imaging::figure::viridis`], the colours of heat maps.
    Viridis,
    /// Black to white.
    Grey,
}

impl Palette {
    /// A strip of the colours, one pixel high.
    fn strip(self) -> RgbImage {
        RgbImage::from_fn(256, 1, |x, _| match self {
            Self::Viridis => image::Rgb(viridis(x as f32 / 255.0)),
            Self::Grey => image::Rgb([x as u8; 3]),
        })
    }
}

impl Pictures {
    pub(super) fn alt(&self) -> String {
        let captions: Vec<String> = self
            .rows
            .iter()
            .flat_map(|row| row.tiles.iter().flatten().map(move |tile| (row, tile)))
            .filter(|(_, tile)| !tile.caption.is_empty())
            .map(|(row, tile)| format!("{} {}", row.heading, tile.caption).trim().to_owned())
            .collect();
        format!(
            "Pictures: {}.{}{}{}{}",
            self.title,
            listed("Columns", self.columns.iter().map(String::as_str)),
            listed("Rows", self.rows.iter().map(|row| row.heading.as_str())),
            listed("Captions", captions.iter().map(String::as_str)),
            listed("Colours", self.scale.iter().map(|scale| scale.label.as_str())),
        )
    }

    fn check(&self) -> Result<(), FigureError> {
        let check = Check { figure: &self.title };
        check.some("rows", &self.rows)?;
        let columns = self.rows[0].tiles.len();
        check.some("rows[0].tiles", &self.rows[0].tiles)?;
        if !self.columns.is_empty() {
            check.length("columns", self.columns.len(), "rows[0].tiles", columns)?;
        }
        for (r, row) in self.rows.iter().enumerate() {
            let field = format!("rows[{r}].tiles");
            check.length(&field, row.tiles.len(), "rows[0].tiles", columns)?;
            for (t, tile) in row.tiles.iter().enumerate() {
                let (width, height) = tile.as_ref().map_or((1, 1), |tile| tile.picture.dimensions());
                if width == 0 || height == 0 {
                    return check.fails(
                        format!("{field}[{t}].picture"),
                        format!("{width} x {height} pixels"),
                        "at least 1 x 1",
                    );
                }
            }
        }
        if let Some(scale) = &self.scale
            && !(scale.low.is_finite() && scale.high.is_finite() && scale.low < scale.high)
        {
            return check.fails(
                "scale",
                format!("{} to {}", scale.low, scale.high),
                "two finite numbers, the lower one first",
            );
        }
        Ok(())
    }

    pub(super) fn draw(&self, alt: &str) -> Result<String, FigureError> {
        self.check()?;
        let layout = Layout::new(self);
        Check { figure: &self.title }.size(layout.width, layout.height)?;
        let sheet = Sheet::new(layout.width, layout.height);
        let mut y = sheet.lines(
            &layout.title,
            (MARGIN, MARGIN),
            Font::TITLE,
            Anchor::Start,
            Colour::INK,
        );
        y += 8.0;
        for (column, heading) in layout.columns.iter().enumerate() {
            let middle = layout.x(column) + layout.tile / 2.0;
            let top = y + layout.heading - heading.len() as f64 * Font::HEADING.line();
            sheet.lines(heading, (middle, top), Font::HEADING, Anchor::Middle, Colour::INK);
        }
        y += layout.heading + 4.0;
        for (row, places) in self.rows.iter().zip(&layout.rows) {
            let middle = y + (places.height - places.heading.len() as f64 * Font::HEADING.line()) / 2.0;
            sheet.lines(
                &places.heading,
                (MARGIN, middle),
                Font::HEADING,
                Anchor::Start,
                Colour::INK,
            );
            for (column, tile) in row.tiles.iter().enumerate() {
                let Some(tile) = tile else {
                    continue;
                };
                let place = Rect {
                    x: layout.x(column),
                    y,
                    width: layout.tile,
                    height: layout.tile * proportion(tile),
                };
                let png = self.png(&tile.picture)?;
                sheet.picture(place, &png, &tile_alt(row, self.columns.get(column), tile));
                let below = (place.x + place.width / 2.0, place.bottom() + 3.0);
                sheet.lines(
                    &places.captions[column],
                    below,
                    Font::SMALL,
                    Anchor::Middle,
                    Colour::INK,
                );
            }
            y += places.height + places.below + GAP;
        }
        if let Some(scale) = &self.scale {
            y = self.colour_bar(&sheet, scale, (layout.x(0), y + BAR_GAP))?;
        }
        let foot = (MARGIN, y + NOTE_GAP);
        sheet.lines(&layout.notes, foot, Font::NOTE, Anchor::Start, Colour::DIM);
        Ok(sheet.finish(alt))
    }

    fn png(&self, picture: &RgbImage) -> Result<Vec<u8>, FigureError> {
        encode_png(picture).map_err(|error| FigureError::Raster {
            figure: self.title.clone(),
            message: error.to_string(),
        })
    }

    /// Draws the bar with its label and numbers; returns where it ends.
    fn colour_bar(&self, sheet: &Sheet, scale: &ColourBar, at: (f64, f64)) -> Result<f64, FigureError> {
        let label = Font::LABEL.wrap(&scale.label, BAR * 1.5);
        let top = sheet.lines(&label, at, Font::LABEL, Anchor::Start, Colour::INK) + 3.0;
        let place = Rect {
            x: at.0,
            y: top,
            width: BAR,
            height: 12.0,
        };
        sheet.picture(place, &self.png(&scale.palette.strip())?, &scale.label);
        let digits = (1.5 - (scale.high - scale.low).log10()).max(0.0) as usize;
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let value = number(scale.low + part * (scale.high - scale.low), digits + 1);
            let anchor = match part {
                0.0 => Anchor::Start,
                1.0 => Anchor::End,
                _ => Anchor::Middle,
            };
            let below = (place.x + part * place.width, place.bottom() + 2.0);
            sheet.lines(&[value], below, Font::TICK, anchor, Colour::INK);
        }
        Ok(place.bottom() + 2.0 + Font::TICK.line())
    }
}

fn tile_alt(row: &PictureRow, column: Option<&String>, tile: &Tile) -> String {
    let parts = [Some(&row.heading), column, Some(&tile.caption)];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}
