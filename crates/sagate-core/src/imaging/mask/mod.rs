//! Encoding and decoding of masks: labels `[height, width]` (or `[x, y, z]`), 0 for background, 1..=K for the classes.
//!
//! | form | encode | decode |
//! |---|---|---|
//! | PNG, 8-bit grey, the value is the label | [`encode_png`], [`write_png`] | [`read`], [`from_image`] |
//! | NIfTI on the grid of the volume's file | [`encode_nifti`], [`write_nifti`] | [`from_volume`] |
//! | NIfTI on the grid of the image's file, else flat | [`encode_nifti_image`] | [`read`], [`from_image`] |
//! | COCO run lengths, a class each | [`Rle::of_class`] | [`Rle::decode`] |
//! | packed bits, a class each | [`pack`] | [`unpack`] |

mod packed;
mod rle;

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ndarray::{Array, Array2, Array3, ArrayView, Axis, Dimension};

use super::{Image, ImagingError, Limits, Picture, SliceGeometry, Volume, nifti, read_mask};
use crate::atomic;
pub use packed::{pack, unpack};
pub use rle::Rle;

/// Labels as a PNG, 8-bit grey: the grey value is the label.
///
/// # Errors
/// [`ImagingError::Field`] where there are no pixels.
pub fn encode_png(labels: &Array2<u8>) -> Result<Vec<u8>, ImagingError> {
    let (height, width) = labels.dim();
    let values: Vec<u8> = labels.iter().copied().collect();
    let side = |name: &str, side: usize| {
        let valid = u32::try_from(side).ok().filter(|&side| side > 0);
        valid.ok_or_else(|| ImagingError::field("mask", name, side, "1 to 4294967295"))
    };
    let (width, height) = (side("width", width)?, side("height", height)?);
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::NoFilter);
    encoder
        .write_image(&values, width, height, ExtendedColorType::L8)
        .map_err(|error| ImagingError::damaged("mask", "PNG", error))?;
    Ok(bytes)
}

/// [`encode_png`] into a file.
///
/// # Errors
/// As [`encode_png`]; [`ImagingError::Write`].
pub fn write_png(path: &Path, labels: &Array2<u8>) -> Result<(), ImagingError> {
    Ok(atomic::write(path, &encode_png(labels)?)?)
}

/// Labels `[x, y, z]` of a volume as NIfTI (uint8) with the geometry of the volume's own file: its version, axes, byte
/// order, spacing and transforms. Text fields of the header are left out. `gzip` compresses it (`.nii.gz`).
///
/// # Errors
/// [`ImagingError::Field`] where the labels' shape is not the volume's.
pub fn encode_nifti(labels: &Array3<u8>, volume: &Volume, gzip: bool) -> Result<Vec<u8>, ImagingError> {
    packed_if(gzip, nifti::encode_volume(labels.view(), &volume.geometry)?)
}

/// [`encode_nifti`] into a file, packed where the name ends in `.gz`.
///
/// # Errors
/// As [`encode_nifti`]; [`ImagingError::Write`].
pub fn write_nifti(path: &Path, labels: &Array3<u8>, volume: &Volume) -> Result<(), ImagingError> {
    let gzip = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(atomic::write(path, &encode_nifti(labels, volume, gzip)?)?)
}

/// Labels of an image as NIfTI (uint8). An image with a geometry gets its mask on the grid of its own file: the file's axes
/// and transforms, and for a slice of a volume the place of that slice. Any other gets a NIfTI-1 file of two dimensions
/// with the image's spacing, the first row on top, in no patient's space.
///
/// # Errors
/// [`ImagingError::Field`] where a side is 0 or above 32767, the spacing is not positive, or the labels' shape is not that of
/// the geometry.
pub fn encode_nifti_image(
    labels: &Array2<u8>,
    spacing: [f64; 2],
    geometry: Option<&SliceGeometry>,
    gzip: bool,
) -> Result<Vec<u8>, ImagingError> {
    if let Some(geometry) = geometry {
        return packed_if(gzip, nifti::encode_slice(labels.view(), geometry)?);
    }
    if !spacing.iter().all(|step| step.is_finite() && *step > 0.0) {
        let right = "two positive numbers of millimetres";
        return Err(ImagingError::field(
            "mask",
            "spacing",
            format!("{spacing:?}"),
            right,
        ));
    }
    packed_if(gzip, nifti::encode_image(labels.view(), spacing)?)
}

fn packed_if(gzip: bool, bytes: Vec<u8>) -> Result<Vec<u8>, ImagingError> {
    if gzip { nifti::gzip(&bytes) } else { Ok(bytes) }
}

/// Reads a mask of two dimensions from a file of any format that [`read_mask`] takes.
///
/// # Errors
/// As [`read_mask`] and [`from_image`]; [`ImagingError::Field`] where the file holds a volume.
pub fn read(path: &Path, limits: &Limits) -> Result<Array2<u8>, ImagingError> {
    let name = path.display().to_string();
    match read_mask(path, limits)? {
        Picture::Image(image) => from_image(&image, &name),
        Picture::Volume(_) => Err(ImagingError::field(
            &name,
            "mask",
            "a volume",
            "an image of two dimensions",
        )),
    }
}

/// The labels that an image holds. `name` stands for the file in messages.
///
/// # Errors
/// [`ImagingError::Field`] where there is more than one channel or a value is no whole number of 0..=255.
pub fn from_image(image: &Image, name: &str) -> Result<Array2<u8>, ImagingError> {
    require_one_channel(image.pixels.len_of(Axis(0)), name)?;
    labels(image.pixels.index_axis(Axis(0), 0), name)
}

/// The labels `[x, y, z]` that a volume holds. `name` stands for the file in messages.
///
/// # Errors
/// [`ImagingError::Field`] where there is more than one channel or a value is no whole number of 0..=255.
pub fn from_volume(volume: &Volume, name: &str) -> Result<Array3<u8>, ImagingError> {
    require_one_channel(volume.voxels.len_of(Axis(0)), name)?;
    labels(volume.voxels.index_axis(Axis(0), 0), name)
}

fn require_one_channel(channels: usize, name: &str) -> Result<(), ImagingError> {
    if channels != 1 {
        return Err(ImagingError::field(
            name,
            "mask channels",
            channels,
            "1: grey values are the labels",
        ));
    }
    Ok(())
}

fn labels<D: Dimension>(values: ArrayView<'_, f32, D>, name: &str) -> Result<Array<u8, D>, ImagingError> {
    let label = |value: f32| (value.fract() == 0.0 && (0.0..=255.0).contains(&value)).then_some(value as u8);
    if let Some(wrong) = values.iter().find(|&&value| label(value).is_none()) {
        return Err(ImagingError::field(
            name,
            "mask value",
            wrong,
            "a whole number, 0 (background) to 255",
        ));
    }
    Ok(values.mapv(|value| value as u8))
}
