//! One bit a pixel.

use ndarray::{Array2, ArrayView2};

use crate::imaging::ImagingError;

/// The pixels of one class as bits: row by row, the first pixel in the highest bit, zeros after the last (as
/// `numpy.packbits` of the flattened mask).
pub fn pack(labels: ArrayView2<'_, u8>, class: u8) -> Vec<u8> {
    let mut bytes = vec![0u8; labels.len().div_ceil(8)];
    for (index, _) in labels.iter().enumerate().filter(|&(_, &label)| label == class) {
        bytes[index / 8] |= 0x80 >> (index % 8);
    }
    bytes
}

/// The way back: 1 where the bit is set, `[height, width]`.
///
/// # Errors
/// [`ImagingError::Field`] where the number of bytes is not height x width / 8, rounded up.
pub fn unpack(bytes: &[u8], [height, width]: [usize; 2]) -> Result<Array2<u8>, ImagingError> {
    let needed = height.checked_mul(width).map(|count| count.div_ceil(8));
    if needed != Some(bytes.len()) {
        let right = format!("{height} x {width} / 8, rounded up");
        return Err(ImagingError::field(
            "mask",
            "packed byte count",
            bytes.len(),
            right,
        ));
    }
    Ok(Array2::from_shape_fn((height, width), |(row, column)| {
        let index = row * width + column;
        bytes[index / 8] >> (7 - index % 8) & 1
    }))
}
