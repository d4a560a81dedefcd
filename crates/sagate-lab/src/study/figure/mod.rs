//! Figures as plain data, drawn as SVG and as PNG.
//!
//! What a caller fills in: [`Lines`], [`Scatter`] and [`Bars`] are charts of one or more panels that share their axes;
//! [`Pictures`] is a table of pictures. A [`Figure`] is any of them; [`Figure::svg`] and [`Figure::png`] draw it.
//!
//! What every figure keeps to: colours of Okabe and Ito, and never colour alone (a marker, a dash or a hatching goes with
//! each); legend, title and notes outside of the data; a value that cannot be drawn is left out and the note says how
//! many were. The font (DejaVu Sans) is built in and every word has its width written into the SVG, so that a figure looks
//! the same on any machine. The PNG is the SVG rendered at twice its size.

mod axis;
mod bars;
mod chart;
mod check;
mod colour;
mod curve;
mod error;
mod frame;
mod layout;
mod legend;
mod lines;
mod picture;
mod picture_layout;
mod pictures;
mod placing;
mod raster;
mod scatter;
mod sheet;
mod style;
mod text;
mod ticks;

use serde::{Deserialize, Serialize};

pub use axis::Axis;
pub use bars::{Bar, BarPanel, BarSeries, Bars};
pub use error::FigureError;
pub use lines::{Band, LinePanel, Lines, Mark, Series};
pub use pictures::{ColourBar, Palette, PictureRow, Pictures, Tile};
pub use scatter::{Group, Scatter, ScatterPanel, Trend};

/// A figure of any kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Figure {
    /// Curves over a common axis.
    Lines(Lines),
    /// Points.
    Scatter(Scatter),
    /// Grouped bars.
    Bars(Bars),
    /// A table of pictures.
    Pictures(Pictures),
}

impl Figure {
    /// The title above the figure.
    pub fn title(&self) -> &str {
        match self {
            Self::Lines(figure) => &figure.title,
            Self::Scatter(figure) => &figure.title,
            Self::Bars(figure) => &figure.title,
            Self::Pictures(figure) => &figure.title,
        }
    }

    /// What the figure shows, in words, for those who cannot see it: its kind, title, axes, panels and series.
    pub fn alt(&self) -> String {
        match self {
            Self::Lines(figure) => figure.alt(),
            Self::Scatter(figure) => figure.alt(),
            Self::Bars(figure) => figure.alt(),
            Self::Pictures(figure) => figure.alt(),
        }
    }

    /// The figure as an SVG document without any reference to the outside. The same figure gives the same bytes.
    ///
    /// # Errors
    /// [`FigureError::Field`] where the figure contradicts itself, such as a curve with more x than y values;
    /// [`FigureError::Raster`] where one of its pictures cannot be made a PNG.
    pub fn svg(&self) -> Result<String, FigureError> {
        let alt = self.alt();
        match self {
            Self::Lines(figure) => figure.draw(&alt),
            Self::Scatter(figure) => figure.draw(&alt),
            Self::Bars(figure) => figure.draw(&alt),
            Self::Pictures(figure) => figure.draw(&alt),
        }
    }

    /// [`Figure::svg`] as a PNG of twice its width and height in pixels. The same figure gives the same bytes.
    ///
    /// # Errors
    /// As [`Figure::svg`]; [`FigureError::Raster`] where the PNG cannot be made.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        raster::png(self.title(), &self.svg()?)
    }
}

impl From<Lines> for Figure {
    fn from(figure: Lines) -> Self {
        Self::Lines(figure)
    }
}

impl From<Scatter> for Figure {
    fn from(figure: Scatter) -> Self {
        Self::Scatter(figure)
    }
}

impl From<Bars> for Figure {
    fn from(figure: Bars) -> Self {
        Self::Bars(figure)
    }
}

impl From<Pictures> for Figure {
    fn from(figure: Pictures) -> Self {
        Self::Pictures(figure)
    }
}

/// `1 series` or `3 series` and the names, as an alternative text lists them.
fn listed<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" {what}: {}.", names.join(", "))
}
