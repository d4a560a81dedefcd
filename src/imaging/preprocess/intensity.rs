//! Steps that change values, not the grid.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::Prepared;

/// Clips each channel to two of its percentiles.
pub(super) fn clip_percentiles(image: &mut Prepared, low: f64, high: f64) {
    each_channel(image, |mut channel, mut values| {
        let (low, high) = (percentile(&mut values, low), percentile(&mut values, high));
        channel.mapv_inplace(|value| value.clamp(low, high));
    });
}

/// Brings each channel to mean 0, standard deviation 1; a constant one to 0.
pub(super) fn z_score(image: &mut Prepared) {
    each_channel(image, |mut channel, values| {
        let count = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|&value| (f64::from(value) - mean).powi(2))
            .sum::<f64>()
            / count;
        let (least, greatest) = range(&values);
        if least < greatest {
            let deviation = variance.sqrt();
            channel.mapv_inplace(|value| ((f64::from(value) - mean) / deviation) as f32);
        } else {
            channel.fill(0.0);
        }
    });
}

/// Brings each channel to 0..=1; a constant one to 0.
pub(super) fn unit_range(image: &mut Prepared) {
    each_channel(image, |mut channel, values| {
        let (least, greatest) = range(&values);
        if least < greatest {
            let width = greatest - least;
            channel.mapv_inplace(|value| (((f64::from(value) - least) / width) as f32).clamp(0.0, 1.0));
        } else {
            channel.fill(0.0);
        }
    });
}

/// Gives each channel to `change`, with those of its values that come from the image.
fn each_channel(image: &mut Prepared, change: impl Fn(ArrayViewMut2<'_, f32>, Vec<f32>)) {
    let valid = image.valid.as_ref();
    for channel in image.pixels.outer_iter_mut() {
        let values = match valid {
            Some(valid) => counted(channel.view(), valid.view()),
            None => channel.iter().copied().collect(),
        };
        change(channel, values);
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

fn range(values: &[f32]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), &value| {
            (least.min(f64::from(value)), greatest.max(f64::from(value)))
        })
}

/// The value at rank `percent` / 100 (n - 1), linear between neighbours. Reorders the values.
fn percentile(values: &mut [f32], percent: f64) -> f32 {
    let rank = percent / 100.0 * (values.len() - 1) as f64;
    let below = rank.floor() as usize;
    let (_, &mut lower, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let upper = above.iter().copied().min_by(f32::total_cmp).unwrap_or(lower);
    (f64::from(lower) + (f64::from(upper) - f64::from(lower)) * rank.fract()) as f32
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_numpys() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 10, 50, 90, 100])
        for (percent, expected) in [(0.0, 1.0), (10.0, 1.0), (50.0, 3.5), (90.0, 6.9), (100.0, 9.0)] {
            assert_eq!(percentile(&mut values.clone(), percent), expected, "{percent}");
        }
        assert_eq!(percentile(&mut [7.0], 33.0), 7.0);
    }
}
