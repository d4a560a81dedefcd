//! NIfTI-1 and NIfTI-2, in one file (`.nii`, `.nii.gz`) or as a `.hdr`/`.img` pair: read into RAS+ order, and masks written
//! back onto the file's own grid.

mod datatype;
mod fields;
mod geometry;
mod header;
mod pair;
mod slice;
mod transform;
mod write;

pub(super) use geometry::Geometry;
pub(super) use pair::{is_voxel_file, read_pair};
pub use slice::SliceGeometry;
pub(super) use write::{encode_image, encode_slice, encode_volume, gzip};

use header::{Header, Layout, START, magic, version};
use ndarray::Array4;

use super::samples::{ByteOrder, require_finite};
use super::{Dtype, ImagingError, Limits, Picture, Plane, Volume, inflate};

/// Whether bytes begin as a NIfTI header does: its size, in either byte order, and its magic. The header of an Analyze 7.5 image,
/// which has zeros for a magic, is one that the reader refuses by its name.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let magic = version(bytes).and_then(|(version, _)| magic(version, bytes));
    matches!(
        magic,
        Some(b"n+1\0" | b"ni1\0" | b"n+2\0" | b"ni2\0" | b"\0\0\0\0")
    )
}

/// Whether bytes begin as the header of a `.hdr`/`.img` pair does.
pub(super) fn looks_like_pair(bytes: &[u8]) -> bool {
    let magic = version(bytes).and_then(|(version, _)| magic(version, bytes));
    matches!(magic, Some(b"ni1\0" | b"ni2\0"))
}

/// Reads a file that holds header and voxels: one of two dimensions becomes an image, any other a [`Volume`]. A fourth or
/// fifth dimension becomes the channels.
pub(super) fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<Picture, ImagingError> {
    let mut source = Source::new(bytes, name);
    let header = read_header(&mut source, name)?;
    if header.paired {
        let was = "that of a .hdr/.img pair, whose voxels lie in the .img file";
        let right = "n+1 or n+2: header and voxels in one .nii file";
        return Err(ImagingError::field(name, "magic", was, right));
    }
    let layout = header.layout(limits)?;
    let gap = layout.offset - header.fields.version.size() as u64;
    let stored = read_voxels(source, &layout, gap, name, limits)?;
    picture(&header, &layout, stored)
}

/// Reads the two files of a pair as [`decode`] does one.
fn decode_pair(
    (header, header_name): (&[u8], &str),
    (voxels, voxels_name): (&[u8], &str),
    limits: &Limits,
) -> Result<Picture, ImagingError> {
    let mut source = Source::new(header, header_name);
    let header = read_header(&mut source, header_name)?;
    if !header.paired {
        let was = "that of a file that holds its own voxels";
        let right = "ni1 or ni2, as its voxels lie in a .img file";
        return Err(ImagingError::field(header_name, "magic", was, right));
    }
    source.finish(limits)?;
    let layout = header.layout(limits)?;
    let source = Source::new(voxels, voxels_name);
    let stored = read_voxels(source, &layout, layout.offset, voxels_name, limits)?;
    picture(&header, &layout, stored)
}

fn read_header<'a>(source: &mut Source<'_>, name: &'a str) -> Result<Header<'a>, ImagingError> {
    let mut start = source.next(START as u64)?;
    if let Some((version, _)) = version(&start) {
        start.extend(source.next((version.size() - START) as u64)?);
    }
    Header::parse(&start, name)
}

/// The voxels' bytes, `gap` bytes further on; the rest is unpacked so that its checksum counts.
fn read_voxels(
    mut source: Source<'_>,
    layout: &Layout,
    gap: u64,
    name: &str,
    limits: &Limits,
) -> Result<Vec<u8>, ImagingError> {
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
    Ok(stored)
}

fn picture(header: &Header<'_>, layout: &Layout, stored: Vec<u8>) -> Result<Picture, ImagingError> {
    let name = header.name;
    let (slope, intercept) = header.scaling()?;
    require_exact(name, layout.dtype, header, &stored)?;
    let values = layout
        .dtype
        .decode(&stored, header.fields.order, |value| value * slope + intercept);
    // A large volume is not held twice.
    drop(stored);
    let [i, j, k] = layout.extent;
    let stored = Array4::from_shape_vec((layout.channels, k, j, i), values)
        .map_err(|error| ImagingError::damaged(name, "NIfTI", error))?;
    let stored = stored.permuted_axes([0, 3, 2, 1]);
    require_finite(name, &stored)?;

    let geometry = Geometry::from_header(header, layout.extent)?;
    let voxels = geometry.to_ras(stored.view()).as_standard_layout().into_owned();
    let volume = Volume {
        voxels,
        spacing: geometry.spacing(),
        geometry: Box::new(geometry),
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

/// Refuses 64-bit integers beyond 2^53, which double precision no longer holds one by one: such a number is an
/// identifier or a damaged file, and no measurement.
fn require_exact(name: &str, dtype: Dtype, header: &Header<'_>, stored: &[u8]) -> Result<(), ImagingError> {
    const MAX_EXACT: u64 = 1 << 53;
    if !matches!(dtype, Dtype::I64 | Dtype::U64) {
        return Ok(());
    }
    let (values, _) = stored.as_chunks();
    let inexact = |&value: &[u8; 8]| {
        let bits = match header.fields.order {
            ByteOrder::Little => u64::from_le_bytes(value),
            ByteOrder::Big => u64::from_be_bytes(value),
        };
        let size = match dtype {
            Dtype::I64 => (bits as i64).unsigned_abs(),
            _ => bits,
        };
        size > MAX_EXACT
    };
    if values.iter().any(inexact) {
        let was = "beyond 2^53 in a voxel";
        let right = "whole numbers from -2^53 to 2^53 in int64 and uint64";
        return Err(ImagingError::field(name, "voxel data", was, right));
    }
    Ok(())
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
