//! SIMD lanes: channels that are computed in parallel.
//!
//! This file and its users iterate with plain loops: closures passed to `array::map` and `array::from_fn` are compiled for the baseline
//! instruction set and called for every vector.

/// Channels of a vector.
pub(super) const LANES: usize = 8;

/// One value for each of [`LANES`] channels.
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
