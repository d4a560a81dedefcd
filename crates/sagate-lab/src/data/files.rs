//! How data sets write their images and masks: PNG, and `.npy` for images that PNG cannot hold.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ndarray::Array2;
use sagate_core::atomic;
use sagate_core::imaging::{Image, encode_npy};

use super::DataError;

/// The extension of a data set's image file: `png` where its channels are grey or colour (one or three), `npy` otherwise.
pub fn image_extension(image: &Image) -> &'static str {
    match image.pixels.dim().0 {
        1 | 3 => "png",
        _ => "npy",
    }
}

/// Writes an image of 16-bit values: as PNG, one channel as grey, three as colour, or, where the path ends in `.npy`, as
/// a NumPy array `[channels, height, width]`. Values are rounded and held to 0..65535.
///
/// # Errors
/// When the image holds NaN or, for PNG, another number of channels, and when the file cannot be written.
pub fn write_image(path: &Path, image: &Image) -> Result<(), DataError> {
    if image.pixels.iter().any(|v| v.is_nan()) {
        return Err(DataError::Field {
            path: path.to_owned(),
            field: "a pixel".to_owned(),
            was: "NaN".to_owned(),
            want: "a number to be written".to_owned(),
        });
    }
    if path.extension().is_some_and(|extension| extension == "npy") {
        return Ok(atomic::write(path, &encode_npy(&image.pixels.mapv(whole)))?);
    }
    let (channels, height, width) = image.pixels.dim();
    let colour = match channels {
        1 => ExtendedColorType::L16,
        3 => ExtendedColorType::Rgb16,
        _ => {
            return Err(DataError::Field {
                path: path.to_owned(),
                field: "the number of channels".to_owned(),
                was: channels.to_string(),
                want: "1 or 3 to be written as PNG; others are written as .npy".to_owned(),
            });
        }
    };
    let interleaved = image.pixels.view().permuted_axes([1, 2, 0]);
    let bytes: Vec<u8> = interleaved.iter().flat_map(|&v| whole(v).to_ne_bytes()).collect();
    write_png(path, &bytes, width, height, colour)
}

/// The nearest value that 16 bits hold.
fn whole(v: f32) -> u16 {
    v.round() as u16
}

/// Writes labels as an 8-bit grey PNG.
///
/// # Errors
/// When the file cannot be written.
pub fn write_mask(path: &Path, labels: &Array2<u8>) -> Result<(), DataError> {
    let (height, width) = labels.dim();
    let bytes: Vec<u8> = labels.iter().copied().collect();
    write_png(path, &bytes, width, height, ExtendedColorType::L8)
}

/// Writes a whole folder: `write` fills a fresh one beside it, which then takes the name. A folder of that name that
/// holds anything is an error unless `force`, and is then put aside first and removed last.
pub(super) fn replace_folder(
    dir: &Path,
    force: bool,
    write: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let occupied = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => dir.exists(),
    };
    if occupied && !force {
        return Err(DataError::Exists { path: dir.to_owned() });
    }
    let parent = dir
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(DataError::io("create the folder", parent))?;
    let place = tempfile::Builder::new()
        .prefix(".sagate-")
        .tempdir_in(parent)
        .map_err(DataError::io("create a temporary folder in", parent))?;
    let (fresh, old) = (place.path().join("fresh"), place.path().join("old"));
    std::fs::create_dir(&fresh).map_err(DataError::io("create the folder", &fresh))?;
    write(&fresh)?;
    if dir.exists() {
        std::fs::rename(dir, &old).map_err(DataError::io("put aside", dir))?;
    }
    std::fs::rename(&fresh, dir).map_err(DataError::io("move into place", dir))
}

fn write_png(
    path: &Path,
    bytes: &[u8],
    width: usize,
    height: usize,
    colour: ExtendedColorType,
) -> Result<(), DataError> {
    let side = |side: usize, field: &str| {
        u32::try_from(side).map_err(|_| DataError::Field {
            path: path.to_owned(),
            field: field.to_owned(),
            was: side.to_string(),
            want: "below 2^32 pixels".to_owned(),
        })
    };
    let (width, height) = (side(width, "the width")?, side(height, "the height")?);
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
        .write_image(bytes, width, height, colour)
        .map_err(|source| DataError::Png {
            path: path.to_owned(),
            source,
        })?;
    atomic::write(path, &png)?;
    Ok(())
}
