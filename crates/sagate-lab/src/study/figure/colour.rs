//! Colours, and how shapes are painted with them.

use std::fmt::{Display, Formatter, Result};

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

    /// A solid line of this width in pixels.
    pub fn stroke(self, width: f64) -> Paint {
        Paint::Stroke {
            colour: self,
            width,
            dashes: None,
        }
    }

    /// A line of this width; `dashes` are the lengths of a dash and of the gap after it. All in pixels.
    pub fn dashed(self, width: f64, dashes: [f64; 2]) -> Paint {
        Paint::Stroke {
            colour: self,
            width,
            dashes: Some(dashes),
        }
    }

    /// A filling of this opacity (0..=1).
    pub fn fill(self, opacity: f64) -> Paint {
        Paint::Fill {
            colour: self,
            opacity,
        }
    }
}

/// How a shape is painted. It is displayed as the attributes of an SVG element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Paint {
    /// Filled.
    Fill { colour: Colour, opacity: f64 },
    /// Drawn as a line.
    Stroke {
        colour: Colour,
        width: f64,
        dashes: Option<[f64; 2]>,
    },
}

impl Display for Paint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Fill { colour, opacity } => {
                write!(f, r#"fill="{}""#, colour.hex())?;
                if opacity < 1.0 {
                    write!(f, r#" fill-opacity="{opacity:.2}""#)?;
                }
            }
            Self::Stroke {
                colour,
                width,
                dashes,
            } => {
                write!(
                    f,
                    r#"fill="none" stroke="{}" stroke-width="{width}" stroke-linejoin="round""#,
                    colour.hex()
                )?;
                if let Some([dash, gap]) = dashes {
                    write!(f, r#" stroke-dasharray="{dash} {gap}""#)?;
                }
            }
        }
        Ok(())
    }
}
