//! Channels that are computed side by side.
//!
//! Here and in the files that use them values are walked by plain loops: what `array::map` and `array::from_fn` are given is compiled for
//! any processor, and called for every vector.

/// Channels of a vector.
pub(super) const LANES: usize = 8;

/// A value of each of so many channels.
pub(super) type Lanes = [f32; LANES];

#[inline(always)]
pub(super) fn add(a: &Lanes, b: &Lanes) -> Lanes {
    let mut sums = *a;
    for lane in 0..LANES {
        sums[lane] += b[lane];
    }
    sums
}

#[inline(always)]
pub(super) fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    let mut differences = *a;
    for lane in 0..LANES {
        differences[lane] -= b[lane];
    }
    differences
}

/// The lanes at the start of a slice.
#[inline(always)]
pub(super) fn load(values: &[f32]) -> Lanes {
    values[..LANES].try_into().expect("as many values as lanes")
}
