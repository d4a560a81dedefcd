//! Steps that change values, not the grid.

use ndarray::Array2;
use protoseg::platform::Isa;

use super::Prepared;
use super::ranked::percentile;
use super::values::{clip, greatest, least, shift_and_scale, square_sum, sum, to_unit};

/// Clips each channel to two of its percentiles.
pub(super) fn clip_percentiles(image: &mut Prepared, low: f64, high: f64) {
    let isa = Isa::widest();
    let limits = |values: &[f32]| (percentile(isa, values, low), percentile(isa, values, high));
    each_channel(image, limits, |(low, high), channel| {
        clip(isa, channel, low, high)
    });
}

/// Brings each channel to mean 0, standard deviation 1; a constant one to 0.
pub(super) fn z_score(image: &mut Prepared) {
    let isa = Isa::widest();
    let spread = |values: &[f32]| {
        let count = values.len() as f64;
        let mean = sum(isa, values) / count;
        let variance = square_sum(isa, values, mean) / count;
        let constant = values.iter().all(|value| *value == values[0]);
        (mean, if constant { 0.0 } else { 1.0 / variance.sqrt() })
    };
    each_channel(image, spread, |(mean, scale), channel| {
        shift_and_scale(isa, channel, mean, scale);
    });
}

/// Brings each channel to 0..=1; a constant one to 0.
pub(super) fn unit_range(image: &mut Prepared) {
    let isa = Isa::widest();
    let span = |values: &[f32]| {
        let least = f64::from(least(isa, values));
        (least, f64::from(greatest(isa, values)) - least)
    };
    each_channel(image, span, |(least, width), channel| {
        if width > 0.0 {
            to_unit(isa, channel, least, width);
        } else {
            channel.fill(0.0);
        }
    });
}

/// Changes the values of a channel by what is measured of those of them that come from the image.
fn each_channel<M>(image: &mut Prepared, measure: impl Fn(&[f32]) -> M, change: impl Fn(M, &mut [f32])) {
    let valid = image.valid.as_ref();
    for mut channel in image.pixels.outer_iter_mut() {
        let values = channel
            .as_slice_mut()
            .expect("every step leaves pixels in standard layout");
        let measured = match valid {
            Some(valid) => measure(&counted(values, valid)),
            None => measure(values),
        };
        change(measured, values);
    }
}

fn counted(values: &[f32], valid: &Array2<u8>) -> Vec<f32> {
    let counted = values.iter().zip(valid).filter(|&(_, &valid)| valid != 0);
    counted.map(|(&value, _)| value).collect()
}
