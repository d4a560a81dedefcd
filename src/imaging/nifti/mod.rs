//! NIfTI-1 in one file (`.nii`, `.nii.gz`): read into RAS+ order, and masks written back onto the file's own grid.

mod geometry;
mod header;
mod write;

pub(super) use geometry::Geometry;
pub(super) use write::{encode_image, encode_volume, gzip};

use ndarray::Array4;

use super::samples::require_finite;
use super::{ImagingError, Limits, Picture, Plane, Volume, inflate};
use header::Header;

/// Whether bytes begin as a NIfTI-1 header does: its size, in either byte order, and a magic that says NIfTI.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let size = matches!(bytes.get(..4), Some([0x5c, 1, 0, 0] | [0, 0, 1, 0x5c]));
    size && matches!(bytes.get(344..347), Some(b"n+1" | b"ni1"))
}

/// Reads NIfTI-1: a file of two dimensions becomes an image, any other a [`Volume`]. A fourth dimension becomes the
/// channels.
pub(super) fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<Picture, ImagingError> {
    let mut source = Source::new(bytes, name);
    let start = source.next(header::SIZE as u64)?;
    let header = Header::parse(&start, name)?;
    let layout = header.layout(limits)?;
    let gap = layout.offset - header::SIZE as u64;
    let skipped = source.next(gap)?;
    let stored = source.next(layout.bytes)?;
    if (skipped.len() as u64) < gap || (stored.len() as u64) < layout.bytes {
        return Err(ImagingError::Truncated {
            file: name.to_owned(),
            field: "voxel data",
            found: format!("{} bytes are there", stored.len()),
            right: format!(
                "{} need {} bytes from byte {}",
                layout, layout.bytes, layout.offset
            ),
        });
    }
    source.finish(limits)?;

    let (slope, intercept) = header.scaling()?;
    let values = layout
        .dtype
        .decode(&stored, header.order, |value| value * slope + intercept);
    drop(stored);
    let [i, j, k] = layout.extent;
    let stored = Array4::from_shape_vec((layout.channels, k, j, i), values)
        .map_err(|error| ImagingError::damaged(name, "NIfTI-1", error))?;
    let stored = stored.permuted_axes([0, 3, 2, 1]);
    require_finite(name, &stored)?;

    let (geometry, spacing) = Geometry::of(&header, layout.extent)?;
    let voxels = geometry.to_ras(stored.view()).as_standard_layout().into_owned();
    let volume = Volume {
        voxels,
        spacing,
        geometry,
    };
    if header.dimensions() > 2 {
        return Ok(Picture::Volume(volume));
    }
    let plane = match volume.geometry.world_axis(2) {
        0 => Plane::Sagittal,
        1 => Plane::Coronal,
        _ => Plane::Axial,
    };
    Ok(Picture::Image(volume.slice(plane, 0)))
}

/// The file's bytes, unpacked where they are gzip.
enum Source<'a> {
    Plain(&'a [u8]),
    Packed(inflate::Inflater<'a>),
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8], name: &'a str) -> Self {
        if inflate::is_gzip(bytes) {
            Self::Packed(inflate::Inflater::new(bytes, name))
        } else {
            Self::Plain(bytes)
        }
    }

    /// The next `count` bytes; fewer where there are no more.
    fn next(&mut self, count: u64) -> Result<Vec<u8>, ImagingError> {
        match self {
            Self::Plain(bytes) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
                let (taken, rest) = bytes.split_at(count);
                *bytes = rest;
                Ok(taken.to_vec())
            }
            Self::Packed(inflater) => inflater.next(count),
        }
    }

    fn finish(self, limits: &Limits) -> Result<(), ImagingError> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Packed(inflater) => inflater.finish(limits),
        }
    }
}
