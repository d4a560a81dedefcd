//! The 348 bytes that a NIfTI-1 file begins with, checked field by field.

use std::fmt;

use ::nifti::{NiftiHeader, NiftiType};

use crate::imaging::samples::ByteOrder;
use crate::imaging::{Dtype, ImagingError, Limits};

/// Bytes of a header.
pub(super) const SIZE: usize = 348;

/// A header whose size, byte order and magic are right.
pub(super) struct Header<'a> {
    pub(super) fields: NiftiHeader,
    pub(super) raw: &'a [u8],
    pub(super) order: ByteOrder,
    pub(super) name: &'a str,
}

/// What the header says about the voxel data.
pub(super) struct Layout {
    pub(super) dtype: Dtype,
    /// Voxels along the file's own axes i, j, k.
    pub(super) extent: [usize; 3],
    pub(super) channels: usize,
    /// Where the voxel data begin in the unpacked file.
    pub(super) offset: u64,
    /// How many bytes they take.
    pub(super) bytes: u64,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [i, j, k] = self.extent;
        write!(
            f,
            "{i} x {j} x {k} x {} voxels of {} bytes",
            self.channels,
            self.dtype.size()
        )
    }
}

impl<'a> Header<'a> {
    pub(super) fn parse(raw: &'a [u8], name: &'a str) -> Result<Self, ImagingError> {
        if raw.len() < SIZE {
            return Err(ImagingError::Truncated {
                file: name.to_owned(),
                field: "NIfTI-1 header",
                found: format!("{} bytes are there", raw.len()),
                right: format!("it has {SIZE} bytes"),
            });
        }
        let order = match raw[..4] {
            [0x5c, 1, 0, 0] => ByteOrder::Little,
            [0, 0, 1, 0x5c] => ByteOrder::Big,
            _ => {
                let was = i32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
                let right = "348, which begins every NIfTI-1 file";
                return Err(ImagingError::field(name, "sizeof_hdr", was, right));
            }
        };
        match &raw[344..347] {
            b"n+1" => {}
            b"ni1" => {
                let right =
                    "n+1: header and voxels in one .nii file (this is the header of a .hdr/.img pair)";
                return Err(ImagingError::field(name, "magic", "ni1", right));
            }
            other => return Err(ImagingError::field(name, "magic", other.escape_ascii(), "n+1")),
        }
        // The parser takes the byte order from dim[0], which must lie within 1 and 7 in the order found above.
        let rank = match order {
            ByteOrder::Little => i16::from_le_bytes([raw[40], raw[41]]),
            ByteOrder::Big => i16::from_be_bytes([raw[40], raw[41]]),
        };
        if !(2..=7).contains(&rank) {
            return Err(ImagingError::field(
                name,
                "dim[0]",
                rank,
                "the number of dimensions, 2 to 7",
            ));
        }
        let fields =
            NiftiHeader::from_reader(raw).map_err(|error| ImagingError::damaged(name, "NIfTI-1", error))?;
        Ok(Self {
            fields,
            raw,
            order,
            name,
        })
    }

    /// The number of dimensions, 2 to 7.
    pub(super) fn dimensions(&self) -> usize {
        usize::from(self.fields.dim[0])
    }

    /// Checks the shape, the voxel type and the place of the data against each other and the limits.
    pub(super) fn layout(&self, limits: &Limits) -> Result<Layout, ImagingError> {
        let dtype = self.dtype()?;
        let mut shape = [1u64; 7];
        for (axis, side) in shape.iter_mut().enumerate().take(self.dimensions()) {
            let stored = self.fields.dim[axis + 1] as i16;
            if stored < 1 {
                let right = "at least 1 along every axis";
                return Err(self.wrong(format!("dim[{}]", axis + 1), stored, right));
            }
            *side = stored as u64;
        }
        let long: Vec<u64> = shape[3..].iter().copied().filter(|&side| side > 1).collect();
        if long.len() > 1 {
            let right = "more than 1 on one axis only, the channels";
            return Err(self.wrong("dim[4..]".to_owned(), format!("{:?}", &shape[3..]), right));
        }
        let channels = long.first().copied().unwrap_or(1);
        let size = dtype.size() as u64;
        let count = limits.check(self.name, "dim", &[channels, shape[2], shape[1], shape[0]], size)?;

        let offset = self.fields.vox_offset;
        if !(offset >= 352.0 && offset.fract() == 0.0) {
            return Err(self.wrong("vox_offset".to_owned(), offset, "a whole number, 352 or more"));
        }
        let (offset, bytes) = (offset as u64, count as u64 * size);
        limits.check_bytes(
            self.name,
            "vox_offset and voxel data",
            offset.saturating_add(bytes),
        )?;
        let extent = [shape[0] as usize, shape[1] as usize, shape[2] as usize];
        Ok(Layout {
            dtype,
            extent,
            channels: channels as usize,
            offset,
            bytes,
        })
    }

    fn dtype(&self) -> Result<Dtype, ImagingError> {
        const RIGHT: &str = "one of uint8 (2), int16 (4), int32 (8), float32 (16), float64 (64), int8 (256), uint16 \
                             (512), uint32 (768)";
        let dtype = match self.fields.data_type() {
            Ok(NiftiType::Uint8) => Dtype::U8,
            Ok(NiftiType::Int8) => Dtype::I8,
            Ok(NiftiType::Uint16) => Dtype::U16,
            Ok(NiftiType::Int16) => Dtype::I16,
            Ok(NiftiType::Uint32) => Dtype::U32,
            Ok(NiftiType::Int32) => Dtype::I32,
            Ok(NiftiType::Float32) => Dtype::F32,
            Ok(NiftiType::Float64) => Dtype::F64,
            Ok(other) => {
                let was = format!("{} ({other:?})", self.fields.datatype);
                return Err(self.wrong("datatype".to_owned(), was, RIGHT));
            }
            Err(_) => return Err(self.wrong("datatype".to_owned(), self.fields.datatype, RIGHT)),
        };
        let bits = 8 * dtype.size();
        if usize::try_from(self.fields.bitpix) != Ok(bits) {
            let right = format!("{bits}, as datatype {} has", self.fields.datatype);
            return Err(self.wrong("bitpix".to_owned(), self.fields.bitpix, &right));
        }
        Ok(dtype)
    }

    /// Slope and intercept of the stored values. A slope of zero or NaN means that there is none, as other readers
    /// and writers of NIfTI have it.
    pub(super) fn scaling(&self) -> Result<(f64, f64), ImagingError> {
        let (slope, intercept) = (self.fields.scl_slope, self.fields.scl_inter);
        if slope == 0.0 || slope.is_nan() {
            return Ok((1.0, 0.0));
        }
        if !slope.is_finite() {
            return Err(self.wrong(
                "scl_slope".to_owned(),
                slope,
                "a finite number, or 0 for no scaling",
            ));
        }
        if !intercept.is_finite() {
            return Err(self.wrong("scl_inter".to_owned(), intercept, "a finite number"));
        }
        Ok((f64::from(slope), f64::from(intercept)))
    }

    pub(super) fn wrong(&self, field: String, was: impl ToString, right: &str) -> ImagingError {
        ImagingError::field(self.name, field, was, right)
    }
}
