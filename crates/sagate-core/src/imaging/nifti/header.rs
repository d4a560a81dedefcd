//! The header that a NIfTI file begins with, checked field by field.

use std::fmt;

use super::datatype;
use super::fields::{Field, Fields, Version};
use crate::imaging::samples::ByteOrder;
use crate::imaging::{Dtype, ImagingError, Limits};

/// Bytes that say which header it is: as many as the shorter one has.
pub(super) const START: usize = 348;

/// `NIFTI_INTENT_TIME_SERIES`.
const INTENT_TIME_SERIES: f64 = 2001.0;

/// A header whose size, byte order and magic are right.
pub(super) struct Header<'a> {
    pub(super) fields: Fields,
    /// The voxels lie in another file.
    pub(super) paired: bool,
    pub(super) name: &'a str,
}

/// What the header says about the voxel data.
pub(super) struct Layout {
    pub(super) dtype: Dtype,
    /// Voxels along the file's own axes i, j, k.
    pub(super) extent: [usize; 3],
    pub(super) channels: usize,
    /// Where the voxel data begin in the unpacked file that holds them.
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

/// Version and byte order by the first four bytes, which hold the header's size.
pub(super) fn version(bytes: &[u8]) -> Option<(Version, ByteOrder)> {
    match bytes.get(..4)? {
        [0x5c, 1, 0, 0] => Some((Version::One, ByteOrder::Little)),
        [0, 0, 1, 0x5c] => Some((Version::One, ByteOrder::Big)),
        [0x1c, 2, 0, 0] => Some((Version::Two, ByteOrder::Little)),
        [0, 0, 2, 0x1c] => Some((Version::Two, ByteOrder::Big)),
        _ => None,
    }
}

/// The magic of a header: four bytes, at an offset that depends on the version.
pub(super) fn magic(version: Version, bytes: &[u8]) -> Option<&[u8]> {
    match version {
        Version::One => bytes.get(344..348),
        Version::Two => bytes.get(4..8),
    }
}

impl<'a> Header<'a> {
    /// Reads a header from the bytes that a file begins with; what lies behind it is left alone.
    pub(super) fn parse(raw: &[u8], name: &'a str) -> Result<Self, ImagingError> {
        let cut_short = |field, size: usize| ImagingError::Truncated {
            file: name.to_owned(),
            field,
            found: format!("{} bytes are there", raw.len()),
            right: format!("it has {size} bytes"),
        };
        let Some((version, order)) = version(raw) else {
            let Some(&size) = raw.first_chunk() else {
                return Err(cut_short("NIfTI-1 header", START));
            };
            let right = "348 or 540, which begin every NIfTI-1 and NIfTI-2 header (the .img file of a .hdr/.img pair \
                         has none)";
            return Err(ImagingError::field(
                name,
                "sizeof_hdr",
                i32::from_le_bytes(size),
                right,
            ));
        };
        if raw.len() < version.size() {
            let field = match version {
                Version::One => "NIfTI-1 header",
                Version::Two => "NIfTI-2 header",
            };
            return Err(cut_short(field, version.size()));
        }
        let paired = match (version, magic(version, raw)) {
            (Version::One, Some(b"n+1\0")) | (Version::Two, Some(b"n+2\0")) => false,
            (Version::One, Some(b"ni1\0")) | (Version::Two, Some(b"ni2\0")) => true,
            (Version::One, Some(b"\0\0\0\0")) => {
                let was = "empty: this is an Analyze 7.5 header, which does not say where left and right are";
                let right = "n+1 or ni1; convert the image to NIfTI";
                return Err(ImagingError::field(name, "magic", was, right));
            }
            (version, other) => {
                let was = other.unwrap_or_default().escape_ascii();
                let right = match version {
                    Version::One => "n+1 or ni1 (NIfTI-1), each with a zero behind",
                    Version::Two => "n+2 or ni2 (NIfTI-2), each with a zero behind",
                };
                return Err(ImagingError::field(name, "magic", was, right));
            }
        };
        if version == Version::Two && !matches!(&raw[8..12], b"\r\n\x1a\n" | b"\0\0\0\0") {
            let was = raw[8..12].escape_ascii();
            let right = r"\r\n\x1a\n: the file was changed by a transfer as text; copy it again as binary";
            return Err(ImagingError::field(name, "magic[4..8]", was, right));
        }
        let fields = Fields::from_bytes(version, order, raw);
        let rank = fields.get(Field::Dim, 0);
        if !(2.0..=7.0).contains(&rank) {
            let right = "the number of dimensions, 2 to 7";
            return Err(ImagingError::field(name, "dim[0]", rank, right));
        }
        Ok(Self { fields, paired, name })
    }

    /// The number of dimensions, 2 to 7.
    pub(super) fn dimensions(&self) -> usize {
        self.fields.get(Field::Dim, 0) as usize
    }

    /// Checks the shape, the voxel type and the data offset against each other and the limits.
    pub(super) fn layout(&self, limits: &Limits) -> Result<Layout, ImagingError> {
        let dtype = self.dtype()?;
        let mut shape = [1u64; 7];
        for (axis, side) in shape.iter_mut().enumerate().take(self.dimensions()) {
            let stored = self.fields.get(Field::Dim, axis + 1);
            if stored < 1.0 {
                let right = "at least 1 along every axis";
                return Err(self.wrong(format!("dim[{}]", axis + 1), stored, right));
            }
            *side = stored as u64;
        }
        let size = dtype.size() as u64;
        let channels = self.channels(&shape)?;
        let count = limits.check(self.name, "dim", &[channels, shape[2], shape[1], shape[0]], size)?;

        let offset = self.fields.get(Field::VoxOffset, 0);
        let least = if self.paired {
            0
        } else {
            self.fields.version.first_voxel()
        };
        if !(offset >= least as f64 && offset.fract() == 0.0) {
            let right = format!("a whole number, {least} or more");
            return Err(self.wrong("vox_offset".to_owned(), offset, &right));
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

    /// How many channels there are. The standard has time on axis 4 and the parts of a value on axis 5; data sets with
    /// several modalities in one file have them on axis 4. Both are taken, but not a series that says that it is one.
    fn channels(&self, shape: &[u64; 7]) -> Result<u64, ImagingError> {
        if shape[3..].iter().filter(|&&side| side > 1).count() > 1 {
            let right = "more than 1 on one axis only, the channels";
            return Err(self.wrong("dim[4..]".to_owned(), format!("{:?}", &shape[3..]), right));
        }
        if let Some(axis) = (5..7).find(|&axis| shape[axis] > 1) {
            let right = "1: channels lie on axis 4 or 5";
            return Err(self.wrong(format!("dim[{}]", axis + 1), shape[axis], right));
        }
        if shape[3] == 1 {
            return Ok(shape[4]);
        }
        if let Some(evidence) = self.time_series() {
            let was = format!("{} steps of a series: {evidence}", shape[3]);
            let right = "1 (one time point in a file), or channels, which have pixdim[4] 0 or 1 and none of those fields";
            return Err(self.wrong("dim[4]".to_owned(), was, right));
        }
        Ok(shape[3])
    }

    /// What says that axis 4 is time or frequency. A unit of seconds says nothing, and neither does a step of 0 or 1:
    /// widely used writers set both for any image.
    fn time_series(&self) -> Option<String> {
        let get = |field, index| self.fields.get(field, index);
        let (step, duration, start) = (
            get(Field::Pixdim, 4),
            get(Field::SliceDuration, 0),
            get(Field::TimeOffset, 0),
        );
        if get(Field::Intent, 0) == INTENT_TIME_SERIES {
            return Some("intent_code is 2001 (time series)".to_owned());
        }
        if get(Field::SliceCode, 0) != 0.0 {
            return Some(format!("slice_code is {}", get(Field::SliceCode, 0)));
        }
        if duration != 0.0 {
            return Some(format!("slice_duration is {duration}"));
        }
        if start != 0.0 {
            return Some(format!("toffset is {start}"));
        }
        if step != 0.0 && step != 1.0 {
            return Some(format!("pixdim[4] is {step}"));
        }
        let unit = match self.fields.get(Field::Units, 0) as i64 & 0x38 {
            16 if step != 0.0 => "milliseconds",
            24 if step != 0.0 => "microseconds",
            32 => "hertz",
            40 => "parts per million",
            48 => "radians per second",
            _ => return None,
        };
        Some(format!("xyzt_units says {unit}"))
    }

    fn dtype(&self) -> Result<Dtype, ImagingError> {
        let code = self.fields.get(Field::Datatype, 0) as i64;
        let Some(dtype) = datatype::dtype(code) else {
            let was = datatype::describe(code);
            return Err(self.wrong("datatype".to_owned(), was, datatype::READ));
        };
        let (bits, stored) = (8 * dtype.size(), self.fields.get(Field::Bitpix, 0));
        if stored != bits as f64 {
            let right = format!("{bits}, as datatype {code} has");
            return Err(self.wrong("bitpix".to_owned(), stored, &right));
        }
        Ok(dtype)
    }

    /// Slope and intercept of the stored values. A slope of zero or NaN means that there is none, as other readers
    /// and writers of NIfTI have it.
    pub(super) fn scaling(&self) -> Result<(f64, f64), ImagingError> {
        let (slope, intercept) = (
            self.fields.get(Field::Slope, 0),
            self.fields.get(Field::Intercept, 0),
        );
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
        Ok((slope, intercept))
    }

    pub(super) fn wrong(&self, field: String, was: impl ToString, right: &str) -> ImagingError {
        ImagingError::field(self.name, field, was, right)
    }
}
