//! One bit a pixel.

use ndarray::{Array2, ArrayView2};

use crate::imaging::ImagingError;

/// The pixels of one class as bits: row by row, the first pixel in the highest bit, zeros after the last (as
/// `numpy.packbits` of the flattened mask).
pub fn pack(labels: ArrayView2<'_, u8>, class: u8) -> Vec<u8> {
    let dense = labels.as_standard_layout();
    let labels = dense.as_slice().expect("standard layout is one slice");
    let byte = |labels: &[u8]| {
        let bit = |byte, (place, &label): (usize, &u8)| byte | u8::from(label == class) << (7 - place);
        labels.iter().enumerate().fold(0, bit)
    };
    labels.chunks(8).map(byte).collect()
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
