//! The fields of a header: NIfTI-1 and NIfTI-2 have the same fields at other offsets and in other widths.

use crate::imaging::samples::ByteOrder;

/// Which of the two headers a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A field that the reader or the writer of masks uses. Those with several numbers are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The number of dimensions, then the length of each.
    Dim,
    Datatype,
    Bitpix,
    /// `qfac`, then the step along each dimension.
    Pixdim,
    VoxOffset,
    Slope,
    Intercept,
    Intent,
    SliceCode,
    SliceDuration,
    TimeOffset,
    Units,
    QformCode,
    SformCode,
    /// b, c and d of the quaternion.
    Quaternion,
    QformOffset,
    /// `srow_x`, `srow_y` and `srow_z`, one after the other.
    Sform,
}

/// How a number is stored.
#[derive(Debug, Clone, Copy)]
enum Number {
    U8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Number {
    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

impl Version {
    /// Bytes of the header.
    pub fn size(self) -> usize {
        match self {
            Self::One => 348,
            Self::Two => 540,
        }
    }

    /// The first byte at which voxels can lie in a file that holds both: the header, and four bytes that say whether
    /// an extension follows.
    pub fn first_voxel(self) -> usize {
        self.size() + 4
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::One => "NIfTI-1",
            Self::Two => "NIfTI-2",
        }
    }

    /// Where a field begins, how its numbers are stored, and how many there are.
    fn layout(self, field: Field) -> (usize, Number, usize) {
        use Field as F;
        use Number::{F32, F64, I16, I32, I64, U8};
        match self {
            Self::One => match field {
                F::Dim => (40, I16, 8),
                F::Intent => (68, I16, 1),
                F::Datatype => (70, I16, 1),
                F::Bitpix => (72, I16, 1),
                F::Pixdim => (76, F32, 8),
                F::VoxOffset => (108, F32, 1),
                F::Slope => (112, F32, 1),
                F::Intercept => (116, F32, 1),
                F::SliceCode => (122, U8, 1),
                F::Units => (123, U8, 1),
                F::SliceDuration => (132, F32, 1),
                F::TimeOffset => (136, F32, 1),
                F::QformCode => (252, I16, 1),
                F::SformCode => (254, I16, 1),
                F::Quaternion => (256, F32, 3),
                F::QformOffset => (268, F32, 3),
                F::Sform => (280, F32, 12),
            },
            Self::Two => match field {
                F::Datatype => (12, I16, 1),
                F::Bitpix => (14, I16, 1),
                F::Dim => (16, I64, 8),
                F::Pixdim => (104, F64, 8),
                F::VoxOffset => (168, I64, 1),
                F::Slope => (176, F64, 1),
                F::Intercept => (184, F64, 1),
                F::SliceDuration => (208, F64, 1),
                F::TimeOffset => (216, F64, 1),
                F::QformCode => (344, I32, 1),
                F::SformCode => (348, I32, 1),
                F::Quaternion => (352, F64, 3),
                F::QformOffset => (376, F64, 3),
                F::Sform => (400, F64, 12),
                F::SliceCode => (496, I32, 1),
                F::Units => (500, I32, 1),
                F::Intent => (504, I32, 1),
            },
        }
    }
}

/// A header's bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields {
    pub version: Version,
    pub order: ByteOrder,
    bytes: Vec<u8>,
}

impl Fields {
    /// A header's bytes as a file has them: [`Version::size`] of them.
    pub fn from_bytes(version: Version, order: ByteOrder, bytes: &[u8]) -> Self {
        Self {
            version,
            order,
            bytes: bytes[..version.size()].to_vec(),
        }
    }

    /// A header for one file of header and voxels in which every other field is 0.
    pub fn new(version: Version, order: ByteOrder) -> Self {
        let mut bytes = vec![0; version.size()];
        let size = version.size() as u32;
        bytes[..4].copy_from_slice(&match order {
            ByteOrder::Little => size.to_le_bytes(),
            ByteOrder::Big => size.to_be_bytes(),
        });
        match version {
            Version::One => bytes[344..348].copy_from_slice(b"n+1\0"),
            Version::Two => bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n"),
        }
        let mut fields = Self {
            version,
            order,
            bytes,
        };
        fields.set(Field::VoxOffset, 0, version.first_voxel() as f64);
        fields
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A number of a field. Whole numbers beyond 2^53 are rounded; no field that is valid has one.
    pub fn get(&self, field: Field, index: usize) -> f64 {
        let (at, number) = self.at(field, index);
        match number {
            Number::U8 => f64::from(self.bytes[at]),
            Number::I16 => f64::from(i16::from_le_bytes(self.read(at))),
            Number::I32 => f64::from(i32::from_le_bytes(self.read(at))),
            Number::I64 => i64::from_le_bytes(self.read(at)) as f64,
            Number::F32 => f64::from(f32::from_le_bytes(self.read(at))),
            Number::F64 => f64::from_le_bytes(self.read(at)),
        }
    }

    /// Sets a number of a field, saturating at the range of its type.
    pub fn set(&mut self, field: Field, index: usize, value: f64) {
        let (at, number) = self.at(field, index);
        match number {
            Number::U8 => self.bytes[at] = value as u8,
            Number::I16 => self.write(at, (value as i16).to_le_bytes()),
            Number::I32 => self.write(at, (value as i32).to_le_bytes()),
            Number::I64 => self.write(at, (value as i64).to_le_bytes()),
            Number::F32 => self.write(at, (value as f32).to_le_bytes()),
            Number::F64 => self.write(at, value.to_le_bytes()),
        }
    }

    /// Takes a field from a header of the same version and byte order, bit by bit.
    pub fn copy(&mut self, field: Field, from: &Fields) {
        let (at, number, count) = self.version.layout(field);
        let range = at..at + count * number.size();
        self.bytes[range.clone()].copy_from_slice(&from.bytes[range]);
    }

    /// The largest length of a dimension that [`Field::Dim`] holds.
    pub fn longest_side(&self) -> u64 {
        match self.version {
            Version::One => i16::MAX as u64,
            Version::Two => i64::MAX as u64,
        }
    }

    fn at(&self, field: Field, index: usize) -> (usize, Number) {
        let (at, number, count) = self.version.layout(field);
        assert!(index < count, "{field:?} has {count} numbers");
        (at + index * number.size(), number)
    }

    /// Bytes as they would be in little-endian order.
    fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.bytes[at..at + N]);
        if self.order == ByteOrder::Big {
            value.reverse();
        }
        value
    }

    fn write<const N: usize>(&mut self, at: usize, mut little: [u8; N]) {
        if self.order == ByteOrder::Big {
            little.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&little);
    }
}
