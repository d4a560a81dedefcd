//! Label masks as NIfTI-1 files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{ArrayView2, ArrayView3};

use super::geometry::Geometry;
use super::header::SIZE;
use crate::imaging::ImagingError;
use crate::imaging::samples::ByteOrder;

/// Header and four bytes that say that no extension follows.
const OFFSET: usize = 352;
/// `NIFTI_INTENT_LABEL`: the voxels are labels.
const INTENT_LABEL: i16 = 1002;

/// Labels `[x, y, z]` on the grid of the file that `geometry` comes from: its axes, byte order and transforms. What
/// the header said in words (it may name a patient) is left out.
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
    let mut header = if geometry.raw.is_empty() {
        let [x, y, z] = geometry.spacing;
        Fields::new([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]])
    } else {
        Fields {
            bytes: geometry.raw.clone(),
            order: geometry.order,
        }
    };
    header.describe_labels(&geometry.extent)?;
    let stored = geometry.to_file(labels);
    // In the file i runs fastest: the reverse of this view's order.
    Ok(header.followed_by(stored.reversed_axes().iter().copied()))
}

/// Labels `[row, column]` of an image as a file of two dimensions, in which a viewer shows the first row on top.
pub(in crate::imaging) fn encode_image(
    labels: ArrayView2<'_, u8>,
    spacing: [f64; 2],
) -> Result<Vec<u8>, ImagingError> {
    let (height, width) = labels.dim();
    let [row, column] = spacing;
    let mut header = Fields::new([[column, 0.0, 0.0], [0.0, -row, 0.0], [0.0, 0.0, 1.0]]);
    header.describe_labels(&[width, height])?;
    Ok(header.followed_by(labels.iter().copied()))
}

/// gzip at a level that suits masks.
pub(in crate::imaging) fn gzip(bytes: &[u8]) -> Result<Vec<u8>, ImagingError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_err(|error| ImagingError::damaged("mask", "gzip", error))
}

/// A header in the making.
struct Fields {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl Fields {
    /// A new header with an sform of the given steps (rows x, y, z) in millimetres, its origin at the first voxel.
    fn new(steps: [[f64; 3]; 3]) -> Self {
        let mut header = Self {
            bytes: vec![0; SIZE],
            order: ByteOrder::Little,
        };
        header.int32(0, SIZE as i32);
        header.float(76, 1.0);
        for (axis, row) in steps.iter().enumerate() {
            header.float(80 + 4 * axis, row[axis].abs() as f32);
            for (column, &step) in row.iter().enumerate() {
                header.float(280 + 16 * axis + 4 * column, step as f32);
            }
        }
        header.bytes[123] = 2; // xyzt_units: millimetres
        header.int16(254, 2); // sform_code: aligned coordinates
        header.bytes[344..348].copy_from_slice(b"n+1\0");
        header
    }

    /// Sets everything that depends on the voxels being labels of this extent (i first).
    fn describe_labels(&mut self, extent: &[usize]) -> Result<(), ImagingError> {
        self.bytes[4..40].fill(0); // data_type, db_name, extents, session_error, regular, dim_info: unused
        self.int16(40, extent.len() as i16);
        for axis in 0..7 {
            let side = extent.get(axis).copied().unwrap_or(1);
            let stored = i16::try_from(side).ok().filter(|&side| side > 0);
            let stored = stored.ok_or_else(|| {
                ImagingError::field(
                    "mask",
                    format!("side {axis}"),
                    side,
                    "1 to 32767, the most that NIfTI-1 can say",
                )
            })?;
            self.int16(42 + 2 * axis, stored);
        }
        self.bytes[56..68].fill(0); // intent_p1 to intent_p3
        self.int16(68, INTENT_LABEL);
        self.int16(70, 2); // datatype: uint8
        self.int16(72, 8); // bitpix
        self.int16(74, 0); // slice_start
        self.float(108, OFFSET as f32);
        self.float(112, 1.0); // scl_slope
        self.float(116, 0.0); // scl_inter
        self.bytes[120..123].fill(0); // slice_end, slice_code
        self.bytes[124..148].fill(0); // cal_max, cal_min, slice_duration, toffset, glmax, glmin
        self.bytes[148..252].fill(0); // descrip, aux_file
        self.bytes[328..344].fill(0); // intent_name
        Ok(())
    }

    fn followed_by(self, labels: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.reserve(OFFSET - SIZE + labels.len());
        bytes.resize(OFFSET, 0);
        bytes.extend(labels);
        bytes
    }

    fn int16(&mut self, offset: usize, value: i16) {
        let bytes = match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.bytes[offset..offset + 2].copy_from_slice(&bytes);
    }

    fn int32(&mut self, offset: usize, value: i32) {
        let bytes = match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.bytes[offset..offset + 4].copy_from_slice(&bytes);
    }

    fn float(&mut self, offset: usize, value: f32) {
        let bytes = match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.bytes[offset..offset + 4].copy_from_slice(&bytes);
    }
}
