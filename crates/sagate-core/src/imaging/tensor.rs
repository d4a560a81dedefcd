//! Tensors: the one named `image` in a safetensors file, or bytes with a type and a shape.

use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype as Stored, SafeTensors};

use super::npy::image;
use super::samples::{ByteOrder, require_finite};
use super::{Dtype, Image, ImagingError, Limits};

/// The name of the tensor that holds the picture.
const TENSOR: &str = "image";
/// Limit on the header's length.
const MAX_HEADER: u64 = 1 << 20;

/// Whether bytes begin as safetensors does: a header's length, and the header's first brace.
pub(super) fn looks_like_safetensors(bytes: &[u8]) -> bool {
    header_length(bytes).is_some_and(|length| length <= MAX_HEADER) && bytes.get(8) == Some(&b'{')
}

fn header_length(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length))
}

/// Reads the tensor `image`, `[height, width]` or `[channels, height, width]`.
pub(super) fn decode_safetensors(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    if let Some(length) = header_length(bytes).filter(|&length| length > MAX_HEADER) {
        let right = format!("at most {MAX_HEADER} bytes");
        return Err(ImagingError::field(
            name,
            "safetensors header length",
            length,
            right,
        ));
    }
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| ImagingError::damaged(name, "safetensors", error))?;
    let tensor = file.tensor(TENSOR).map_err(|_| {
        let mut names = file.names();
        names.sort_unstable();
        let was = format!("missing (there are: {})", names.join(", "));
        ImagingError::field(
            name,
            format!("tensor `{TENSOR}`"),
            was,
            "[channels, height, width]",
        )
    })?;
    let dtype = match tensor.dtype() {
        Stored::U8 => Dtype::U8,
        Stored::I8 => Dtype::I8,
        Stored::U16 => Dtype::U16,
        Stored::I16 => Dtype::I16,
        Stored::U32 => Dtype::U32,
        Stored::I32 => Dtype::I32,
        Stored::U64 => Dtype::U64,
        Stored::I64 => Dtype::I64,
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::BF16,
        Stored::F32 => Dtype::F32,
        Stored::F64 => Dtype::F64,
        other => {
            let right = "an integer or floating type of 1 to 8 bytes, such as F32 or U8";
            return Err(ImagingError::field(
                name,
                format!("dtype of tensor `{TENSOR}`"),
                format!("{other:?}"),
                right,
            ));
        }
    };
    decode_raw(tensor.data(), dtype, tensor.shape(), name, limits)
}

/// Reads little-endian values, the last axis contiguous; there must be exactly as many as the shape says.
pub(super) fn decode_raw(
    bytes: &[u8],
    dtype: Dtype,
    shape: &[usize],
    name: &str,
    limits: &Limits,
) -> Result<Image, ImagingError> {
    if !(2..=3).contains(&shape.len()) {
        let right = "[height, width] or [channels, height, width]";
        return Err(ImagingError::field(name, "shape", format!("{shape:?}"), right));
    }
    let axes: Vec<u64> = shape.iter().map(|&side| side as u64).collect();
    let count = limits.check(name, "shape", &axes, dtype.size() as u64)?;
    let needed = count * dtype.size();
    if bytes.len() != needed {
        let right = format!("{needed}: shape {shape:?} with {} bytes a value", dtype.size());
        return Err(ImagingError::field(name, "byte count", bytes.len(), right));
    }
    let values = dtype.decode(bytes, ByteOrder::Little, |value| value);
    let array = ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| ImagingError::damaged(name, "tensor", error))?;
    require_finite(name, &array)?;
    image(array, name)
}
