//! Figures for people: overlays, heat maps, grids of pictures and curves, each labelled and with its legend.
//!
//! Two layers. Bare pictures, one pixel for each of the image's: [`grey`], [`heat`], [`masked`]. Finished figures, which
//! enlarge small pictures to a legible size and put words beside them: [`overlay`], [`heat_map`], [`grid`],
//! [`sorted_scores`]. [`write_png`] writes either.

mod canvas;
mod chart;
mod colour;
mod grid;
mod heat;
mod legend;
mod overlay;

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use serde::{Deserialize, Serialize};

use super::ImagingError;
use crate::atomic;
pub use chart::sorted_scores;
pub use colour::{distinct, viridis};
pub use grid::{Cell, grid};
pub use heat::{heat, heat_map, with_colour_bar};
pub use overlay::{Overlay, grey, masked, overlay};

/// How one class of a mask is drawn and named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassStyle {
    /// The name in legends.
    pub name: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// A picture as PNG.
///
/// # Errors
/// [`ImagingError::Damaged`] where it has no pixels.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, ImagingError> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    encoder
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| ImagingError::damaged("figure", "PNG", error))?;
    Ok(bytes)
}

/// [`encode_png`] into a file.
///
/// # Errors
/// As [`encode_png`]; [`ImagingError::Write`].
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<(), ImagingError> {
    Ok(atomic::write(path, &encode_png(picture)?)?)
}
