//! Label masks as NIfTI files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{ArrayView2, ArrayView3};

use super::fields::{Field, Fields, Version};
use super::geometry::Geometry;
use super::slice::SliceGeometry;
use crate::imaging::ImagingError;
use crate::imaging::samples::ByteOrder;

/// `NIFTI_INTENT_LABEL`: the voxels are labels.
const INTENT_LABEL: f64 = 1002.0;

/// The fields that say where voxels lie.
const GEOMETRY: [Field; 7] = [
    Field::Pixdim,
    Field::Units,
    Field::QformCode,
    Field::SformCode,
    Field::Quaternion,
    Field::QformOffset,
    Field::Sform,
];

/// Labels `[x, y, z]` on the grid of the file that `geometry` comes from: its version, axes, byte order and transforms. What
/// else its header said (it may name a patient) is left out.
pub(in crate::imaging) fn encode_volume(
    labels: ArrayView3<'_, u8>,
    geometry: &Geometry,
) -> Result<Vec<u8>, ImagingError> {
    let extent = geometry.ras_extent();
    if labels.shape() != extent {
        let right = format!("{extent:?}, as the volume has");
        return Err(ImagingError::field(
            "mask",
            "shape",
            format!("{:?}", labels.shape()),
            right,
        ));
    }
    let mut header = match &geometry.source {
        Some(source) => {
            let mut header = Fields::new(source.version, source.order);
            GEOMETRY.into_iter().for_each(|field| header.copy(field, source));
            header
        }
        None => plain(geometry.spacing()),
    };
    describe_labels(&mut header, &geometry.extent[..geometry.rank])?;
    let stored = geometry.to_file(labels);
    // In the file i runs fastest: the reverse of this view's order.
    Ok(followed_by(&header, stored.reversed_axes().iter().copied()))
}

/// Labels `[row, column]` of an image on the grid that it has in its file.
pub(in crate::imaging) fn encode_slice(
    labels: ArrayView2<'_, u8>,
    geometry: &SliceGeometry,
) -> Result<Vec<u8>, ImagingError> {
    let volume = geometry.volume(labels).ok_or_else(|| {
        let was = format!("{:?}", labels.dim());
        ImagingError::field("mask", "shape", was, "that of its image")
    })?;
    encode_volume(volume.view(), &geometry.grid)
}

/// Labels `[row, column]` of an image of no NIfTI file, as a file of two dimensions in which a viewer shows the first row on
/// top.
pub(in crate::imaging) fn encode_image(
    labels: ArrayView2<'_, u8>,
    [row, column]: [f64; 2],
) -> Result<Vec<u8>, ImagingError> {
    let (height, width) = labels.dim();
    let mut header = plain([column, row, 1.0]);
    header.set(Field::Sform, 5, -row);
    describe_labels(&mut header, &[width, height])?;
    Ok(followed_by(&header, labels.iter().copied()))
}

/// gzip at a level that suits masks.
pub(in crate::imaging) fn gzip(bytes: &[u8]) -> Result<Vec<u8>, ImagingError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_err(|error| ImagingError::damaged("mask", "gzip", error))
}

/// A NIfTI-1 header with an sform of these steps along x, y and z in millimetres, its origin at the first voxel.
fn plain(spacing: [f64; 3]) -> Fields {
    let mut header = Fields::new(Version::One, ByteOrder::Little);
    header.set(Field::Pixdim, 0, 1.0);
    for (axis, &step) in spacing.iter().enumerate() {
        header.set(Field::Pixdim, axis + 1, step);
        header.set(Field::Sform, 5 * axis, step);
    }
    header.set(Field::Units, 0, 2.0); // millimetres
    header.set(Field::SformCode, 0, 2.0); // aligned coordinates
    header
}

/// Sets everything that depends on the voxels being labels of this extent (i first).
fn describe_labels(header: &mut Fields, extent: &[usize]) -> Result<(), ImagingError> {
    header.set(Field::Dim, 0, extent.len() as f64);
    for axis in 0..7 {
        let side = extent.get(axis).copied().unwrap_or(1);
        let most = header.longest_side();
        if side == 0 || side as u64 > most {
            let right = format!("1 to {most}, the most that {} can say", header.version.name());
            return Err(ImagingError::field("mask", format!("side {axis}"), side, right));
        }
        header.set(Field::Dim, axis + 1, side as f64);
    }
    header.set(Field::Intent, 0, INTENT_LABEL);
    header.set(Field::Datatype, 0, 2.0); // uint8
    header.set(Field::Bitpix, 0, 8.0);
    header.set(Field::Slope, 0, 1.0);
    Ok(())
}

/// Header, four bytes that say that no extension follows, and the labels.
fn followed_by(header: &Fields, labels: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    let offset = header.version.first_voxel();
    let mut bytes = Vec::with_capacity(offset + labels.len());
    bytes.extend_from_slice(header.bytes());
    bytes.resize(offset, 0);
    bytes.extend(labels);
    bytes
}
