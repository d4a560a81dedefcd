//! The types of voxels: those that are read, and the names of all.

use crate::imaging::Dtype;

/// The types that are read, in words.
pub(super) const READ: &str = "one of uint8 (2), int16 (4), int32 (8), float32 (16), float64 (64), int8 (256), \
                               uint16 (512), uint32 (768), int64 (1024), uint64 (1280)";

/// The type of a `datatype` code; none where its voxels are not read as one number each.
pub(super) fn dtype(code: i64) -> Option<Dtype> {
    Some(match code {
        2 => Dtype::U8,
        4 => Dtype::I16,
        8 => Dtype::I32,
        16 => Dtype::F32,
        64 => Dtype::F64,
        256 => Dtype::I8,
        512 => Dtype::U16,
        768 => Dtype::U32,
        1024 => Dtype::I64,
        1280 => Dtype::U64,
        _ => return None,
    })
}

/// A code that is not read, by its name in the standard.
pub(super) fn describe(code: i64) -> String {
    let name = match code {
        0 => "unknown",
        1 => "binary",
        32 => "complex64",
        128 => "RGB24",
        1536 => "float128",
        1792 => "complex128",
        2048 => "complex256",
        2304 => "RGBA32",
        _ => return format!("{code}, which NIfTI does not define"),
    };
    format!("{name} ({code})")
}
