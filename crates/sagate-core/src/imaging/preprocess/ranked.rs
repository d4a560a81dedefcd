//! Percentiles near the extremes of many values: a bound is estimated from a sample, and only the values beyond it are sorted.

use protoseg::platform::Isa;

use super::values::{below, equal};

/// Up to this many values are sorted directly.
const FEW: usize = 4096;
/// Size of the sample that the bound is estimated from.
const SAMPLE: usize = 1024;

/// The value at rank `percent` / 100 (n - 1) of `values` in ascending order, counted from 0, linear between neighbours (NumPy's default).
/// `values` are finite, and at least one.
pub(super) fn percentile(isa: Isa, values: &[f32], percent: f64) -> f32 {
    let last = values.len() - 1;
    let rank = percent / 100.0 * last as f64;
    let before = rank.floor() as usize;
    let [lower, upper] = if 2 * before < last {
        two_at(isa, values, 1.0, before)
    } else {
        // From the upper end, with all signs inverted.
        let after = (before + 1).min(last);
        let [upper, lower] = two_at(isa, values, -1.0, last - after);
        if after > before {
            [-lower, -upper]
        } else {
            [-upper, -upper]
        }
    };
    (f64::from(lower) + (f64::from(upper) - f64::from(lower)) * rank.fract()) as f32
}

/// Of the values with this sign, the one at a rank and the one after it, or the last twice.
fn two_at(isa: Isa, values: &[f32], sign: f32, rank: usize) -> [f32; 2] {
    let all = || values.iter().map(|&value| sign * value).collect();
    if values.len() <= FEW {
        return two_of(all(), rank, None);
    }
    let bound = bound(values, sign, rank);
    let least = below(isa, values, sign, bound);
    // The bound itself is one of the values, and comes next.
    if rank < least.len() {
        return two_of(least, rank, Some(bound));
    }
    if rank + 1 < least.len() + equal(isa, values, sign * bound) {
        [bound; 2]
    } else {
        two_of(all(), rank, None)
    }
}

/// The values at a rank and after it; after the last comes `next`, or the last once more.
fn two_of(mut values: Vec<f32>, rank: usize, next: Option<f32>) -> [f32; 2] {
    let (_, &mut at, above) = values.select_nth_unstable_by(rank, f32::total_cmp);
    let after = above.iter().copied().min_by(f32::total_cmp);
    [at, after.or(next).unwrap_or(at)]
}

/// An estimate of a value with somewhat more than `rank` others below it.
fn bound(values: &[f32], sign: f32, rank: usize) -> f32 {
    // An odd step, so that the sample is not confined to a few columns of the image.
    let step = (values.len() / SAMPLE) | 1;
    let mut sample: Vec<f32> = values.iter().step_by(step).map(|&value| sign * value).collect();
    let expected = (rank + 1) as f64 * sample.len() as f64 / values.len() as f64;
    let wanted = (expected + 4.0 * expected.sqrt() + 4.0) as usize;
    let wanted = wanted.min(sample.len() - 1);
    *sample.select_nth_unstable_by(wanted, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percentile(values: &[f32], percent: f64) -> f32 {
        super::percentile(Isa::widest(), values, percent)
    }

    #[test]
    fn percentiles_are_numpys() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 10, 50, 90, 100])
        for (percent, expected) in [(0.0, 1.0), (10.0, 1.0), (50.0, 3.5), (90.0, 6.9), (100.0, 9.0)] {
            assert_eq!(percentile(&values, percent), expected, "{percent}");
        }
        assert_eq!(percentile(&[7.0], 33.0), 7.0);
    }

    /// Everything in order, then looked up.
    fn by_sorting(values: &[f32], percent: f64) -> f32 {
        let mut values = values.to_vec();
        values.sort_by(f32::total_cmp);
        let rank = percent / 100.0 * (values.len() - 1) as f64;
        let (lower, upper) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
        (f64::from(lower) + (f64::from(upper) - f64::from(lower)) * rank.fract()) as f32
    }

    proptest! {
        /// Of many as of few, spread or mostly the same, in order or not, at the ends and between.
        #[test]
        fn a_sample_changes_no_percentile(
            count in 1usize..20_000,
            levels in prop_oneof![Just(1u32), Just(3), Just(50), Just(1 << 20)],
            in_order in any::<bool>(),
            seed in any::<u32>(),
            percent in prop_oneof![Just(0.0), Just(0.5), Just(99.5), Just(100.0), 0.0..100.0],
        ) {
            let mut state = seed;
            let mut values: Vec<f32> = (0..count)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Zeros mostly, as around a head, and both signs.
                    let level = (state >> 12) % levels;
                    if state & 0x700 < 0x400 { 0.0 } else { level as f32 - levels as f32 / 4.0 }
                })
                .collect();
            if in_order {
                values.sort_by(f32::total_cmp);
            }
            prop_assert_eq!(percentile(&values, percent), by_sorting(&values, percent));
        }
    }
}
