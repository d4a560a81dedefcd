//! Kernels for reductions and element-wise operations, with double-precision sums in lanes that are added in a fixed order, so that every
//! processor gives the same bits.

use protoseg::kernel;

/// Independent accumulators, so that the additions do not depend on each other.
const LANES: usize = 16;

kernel! {
    /// The sum of the values.
    fn sum(values: &[f32]) -> f64 {
        sum_of(values, |value| value)
    }
}

kernel! {
    /// The sum of the squares of what the values differ from `mean`.
    fn square_sum(values: &[f32], mean: f64) -> f64 {
        sum_of(values, |value| (value - mean) * (value - mean))
    }
}

#[inline(always)]
fn sum_of(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (parts, rest) = values.as_chunks::<LANES>();
    for part in parts {
        for (lane, &value) in lanes.iter_mut().zip(part) {
            *lane += of(f64::from(value));
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += of(f64::from(value));
    }
    lanes.iter().sum()
}

kernel! {
    /// The least of the values; infinity where there are none.
    fn least(values: &[f32]) -> f32 {
        extreme(values, f32::INFINITY, |least, value| if value < least { value } else { least })
    }
}

kernel! {
    /// The greatest of the values; minus infinity where there are none.
    fn greatest(values: &[f32]) -> f32 {
        extreme(values, f32::NEG_INFINITY, |greatest, value| if value > greatest { value } else { greatest })
    }
}

/// By comparison: the result of `f32::min` for +0 and -0 depends on the processor.
#[inline(always)]
fn extreme(values: &[f32], start: f32, of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (parts, rest) = values.as_chunks::<LANES>();
    for part in parts {
        for (lane, &value) in lanes.iter_mut().zip(part) {
            *lane = of(*lane, value);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(start, |extreme, &value| of(extreme, value))
}

kernel! {
    /// Clips the values to `low..=high`.
    fn clip(values: &mut [f32], low: f32, high: f32) {
        for value in values {
            *value = value.clamp(low, high);
        }
    }
}

kernel! {
    /// Takes `shift` from every value, and multiplies what is left.
    fn shift_and_scale(values: &mut [f32], shift: f64, scale: f64) {
        for value in values {
            *value = ((f64::from(*value) - shift) * scale) as f32;
        }
    }
}

kernel! {
    /// Brings values from `least` on, over a range of `width`, to 0..=1.
    fn to_unit(values: &mut [f32], least: f64, width: f64) {
        for value in values {
            *value = (((f64::from(*value) - least) / width) as f32).clamp(0.0, 1.0);
        }
    }
}

kernel! {
    /// The values, multiplied by `sign` (1 or -1), that lie below a bound. They are rare, so blocks without any are skipped at once.
    fn below(values: &[f32], sign: f32, bound: f32) -> Vec<f32> {
        let mut found = Vec::new();
        let (parts, rest) = values.as_chunks::<LANES>();
        for part in parts {
            let any = part.iter().fold(0, |any, &value| any | u32::from(sign * value < bound));
            if any != 0 {
                // Branch-free compaction: every value is written, and the count advances only for those below the bound.
                let (mut kept, mut count) = ([0.0; LANES], 0);
                for &value in part {
                    kept[count] = sign * value;
                    count += usize::from(sign * value < bound);
                }
                found.extend_from_slice(&kept[..count]);
            }
        }
        found.extend(rest.iter().map(|value| sign * value).filter(|&value| value < bound));
        found
    }
}

kernel! {
    /// How many values equal one.
    fn equal(values: &[f32], one: f32) -> usize {
        values.iter().fold(0, |count, &value| count + usize::from(value == one))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protoseg::platform::Isa;

    use super::*;

    /// Everything that is measured of values and done to them, bit by bit.
    fn all(isa: Isa, values: &[f32]) -> (Vec<u64>, Vec<Vec<u32>>) {
        let mean = sum(isa, values) / values.len() as f64;
        let (least, greatest) = (least(isa, values), greatest(isa, values));
        let measured = [mean, square_sum(isa, values, mean), least.into(), greatest.into()];
        let done = |work: &dyn Fn(&mut [f32])| {
            let mut values = values.to_vec();
            work(&mut values);
            values
        };
        let done = [
            done(&|values| clip(isa, values, least / 2.0, greatest / 2.0 + least.abs())),
            done(&|values| shift_and_scale(isa, values, mean, 0.3)),
            done(&|values| to_unit(isa, values, least.into(), 7.0)),
            below(isa, values, 1.0, mean as f32),
            below(isa, values, -1.0, mean as f32),
            vec![equal(isa, values, values[0]) as f32],
        ];
        (
            measured.map(f64::to_bits).to_vec(),
            done.map(|values| values.into_iter().map(f32::to_bits).collect())
                .to_vec(),
        )
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_bits(
            values in prop::collection::vec(prop_oneof![Just(0.0f32), -3e4f32..3e4, -1f32..1.0], 1..300),
        ) {
            let expected = all(Isa::Baseline, &values);
            for isa in Isa::available() {
                prop_assert_eq!(&all(isa, &values), &expected, "{:?}", isa);
            }
        }

        /// As one would write them down.
        #[test]
        fn they_are_what_their_names_say(values in prop::collection::vec(-100i16..100, 1..300)) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let (isa, total) = (Isa::widest(), values.iter().map(|&value| f64::from(value)).sum::<f64>());
            prop_assert_eq!(sum(isa, &values), total);
            prop_assert_eq!(square_sum(isa, &values, 3.0), values.iter().map(|&it| f64::from((it - 3.0) * (it - 3.0))).sum::<f64>());
            prop_assert_eq!(least(isa, &values), values.iter().copied().fold(f32::INFINITY, f32::min));
            prop_assert_eq!(greatest(isa, &values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            prop_assert_eq!(below(isa, &values, 1.0, -60.0), values.iter().copied().filter(|&it| it < -60.0).collect::<Vec<_>>());
            prop_assert_eq!(below(isa, &values, -1.0, -60.0), values.iter().map(|it| -it).filter(|&it| it < -60.0).collect::<Vec<_>>());
            prop_assert_eq!(equal(isa, &values, values[0]), values.iter().filter(|&&it| it == values[0]).count());
        }
    }
}
