//! Colours of lines, fills and text.

use plotters::style::{RGBAColor, ShapeStyle};

use super::sheet::UNITS;

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub [u8; 3]);

impl Colour {
    /// Text and axes.
    pub const INK: Self = Self([0x22, 0x22, 0x22]);
    /// Secondary text, ticks and reference lines.
    pub const DIM: Self = Self([0x5f, 0x5f, 0x5f]);
    /// Grid lines.
    pub const PALE: Self = Self([0xe4, 0xe4, 0xe4]);
    /// Background.
    pub const PAPER: Self = Self([0xff, 0xff, 0xff]);

    pub fn hex(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// A line so many pixels wide.
    pub fn stroke(self, width: f64) -> ShapeStyle {
        ShapeStyle {
            color: self.opaque(1.0),
            filled: false,
            stroke_width: (width * UNITS).round() as u32,
        }
    }

    /// A filling of this opacity (0..=1).
    pub fn fill(self, opacity: f64) -> ShapeStyle {
        ShapeStyle {
            color: self.opaque(opacity),
            filled: true,
            stroke_width: 0,
        }
    }

    fn opaque(self, opacity: f64) -> RGBAColor {
        let [r, g, b] = self.0;
        RGBAColor(r, g, b, opacity)
    }
}
