//! One bit a pixel.

use ndarray::{Array2, ArrayView2};

use crate::imaging::ImagingError;

/// The pixels of one class as bits: row by row, the first pixel in the highest bit, zeros after the last (as
/// `numpy.packbits` of the flattened mask).
pub fn pack(labels: ArrayView2<'_, u8>, class: u8) -> Vec<u8> {
    let dense = labels.as_standard_layout();
    let labels = dense.as_slice().expect("standard layout is one slice");
    let (whole, rest) = labels.as_chunks::<8>();
    let mut packed = Vec::with_capacity(labels.len().div_ceil(8));
    packed.extend(whole.iter().map(|labels| bits(*labels, class)));
    if !rest.is_empty() {
        // Padding after the last pixel belongs to no class.
        let mut last = [!class; 8];
        last[..rest.len()].copy_from_slice(rest);
        packed.push(bits(last, class));
    }
    packed
}

/// A bit for each of eight labels that equals the class, the first in the highest bit. All eight are compared at once, as bytes of a word.
fn bits(labels: [u8; 8], class: u8) -> u8 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    /// Brings the lowest bit of byte i to bit 63 - i.
    const GATHER: u64 = 0x8040_2010_0804_0201;
    let differs = u64::from_le_bytes(labels) ^ (ONES * u64::from(class));
    // The highest bit of each byte that is not 0.
    let differs = ((differs & LOW) + LOW) | differs;
    let same = (!differs >> 7) & ONES;
    (same.wrapping_mul(GATHER) >> 56) as u8
}

/// Inverse of [`pack`]: 1 where the bit is set, `[height, width]`.
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
