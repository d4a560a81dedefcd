//! Steps that change values, not the grid.

use std::borrow::Cow;

use ndarray::ArrayView2;

use super::Prepared;
use super::ranked::percentile;

/// Clips each channel to two of its percentiles.
pub(super) fn clip_percentiles(image: &mut Prepared, low: f64, high: f64) {
    let limits = |values: Cow<'_, [f32]>| (percentile(&values, low), percentile(&values, high));
    each_channel(image, limits, |&(low, high), value| value.clamp(low, high));
}

/// Brings each channel to mean 0, standard deviation 1; a constant one to 0.
pub(super) fn z_score(image: &mut Prepared) {
    let spread = |values: Cow<'_, [f32]>| {
        let count = values.len() as f64;
        let mean = sum(&values, |value| value) / count;
        let variance = sum(&values, |value| (value - mean) * (value - mean)) / count;
        let (least, greatest) = range(&values);
        (
            mean,
            if least < greatest {
                1.0 / variance.sqrt()
            } else {
                0.0
            },
        )
    };
    each_channel(image, spread, |&(mean, scale), value| {
        ((f64::from(value) - mean) * scale) as f32
    });
}

/// Brings each channel to 0..=1; a constant one to 0.
pub(super) fn unit_range(image: &mut Prepared) {
    let span = |values: Cow<'_, [f32]>| {
        let (least, greatest) = range(&values);
        (least, greatest - least)
    };
    each_channel(image, span, |&(least, width), value| {
        if width > 0.0 {
            (((f64::from(value) - least) / width) as f32).clamp(0.0, 1.0)
        } else {
            0.0
        }
    });
}

/// Changes every value of a channel by what is measured of those of its values that come from the image.
fn each_channel<M>(
    image: &mut Prepared,
    measure: impl Fn(Cow<'_, [f32]>) -> M,
    change: impl Fn(&M, f32) -> f32,
) {
    let valid = image.valid.as_ref();
    for mut channel in image.pixels.outer_iter_mut() {
        let values = match (valid, channel.as_slice()) {
            (Some(valid), _) => Cow::Owned(counted(channel.view(), valid.view())),
            (None, Some(values)) => Cow::Borrowed(values),
            (None, None) => Cow::Owned(channel.iter().copied().collect()),
        };
        let measured = measure(values);
        channel.mapv_inplace(|value| change(&measured, value));
    }
}

fn counted(channel: ArrayView2<'_, f32>, valid: ArrayView2<'_, u8>) -> Vec<f32> {
    channel
        .iter()
        .zip(valid)
        .filter(|&(_, &valid)| valid != 0)
        .map(|(&value, _)| value)
        .collect()
}

/// Values taken side by side: one after the other, each would wait for the one before.
const LANES: usize = 16;

fn sum(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (parts, rest) = values.as_chunks::<LANES>();
    for part in parts.iter().map(|part| &part[..]).chain([rest]) {
        for (lane, &value) in lanes.iter_mut().zip(part) {
            *lane += of(f64::from(value));
        }
    }
    lanes.iter().sum()
}

fn range(values: &[f32]) -> (f64, f64) {
    let (mut least, mut greatest) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (parts, rest) = values.as_chunks::<LANES>();
    for part in parts.iter().map(|part| &part[..]).chain([rest]) {
        for ((least, greatest), &value) in least.iter_mut().zip(&mut greatest).zip(part) {
            *least = if value < *least { value } else { *least };
            *greatest = if value > *greatest { value } else { *greatest };
        }
    }
    let (least, greatest) = (least.into_iter(), greatest.into_iter());
    (
        f64::from(least.fold(f32::INFINITY, f32::min)),
        f64::from(greatest.fold(f32::NEG_INFINITY, f32::max)),
    )
}
