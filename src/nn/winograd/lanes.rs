//! Channels that are computed side by side.

/// Channels of a vector.
pub(super) const LANES: usize = 8;

/// A value of each of so many channels.
pub(super) type Lanes = [f32; LANES];

#[inline(always)]
pub(super) fn add(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane] + b[lane])
}

#[inline(always)]
pub(super) fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane] - b[lane])
}

/// The lanes at the start of a slice.
#[inline(always)]
pub(super) fn load(values: &[f32]) -> Lanes {
    values[..LANES].try_into().expect("as many values as lanes")
}
