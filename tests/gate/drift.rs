//! The distance of scores from the calibration's.
//!
//! What would break: images like the calibration's are told to have drifted, or a drift is missed.

use proptest::prelude::*;
use sagate_core::gate::{kolmogorov_smirnov, ks_critical_value};

#[test]
fn golden() {
    for (a, b, distance) in [
        (&[0.1, 0.2, 0.3][..], &[0.1, 0.2, 0.3][..], 0.0),
        (&[0.1, 0.2], &[0.3, 0.4], 1.0),
        (&[0.1, 0.2, 0.3, 0.4], &[0.2, 0.4], 0.25),
        // All at once at the ties: at 0.5 one and three quarters.
        (&[0.5, 0.5, 0.5, 0.9], &[0.5, 0.5, 0.5, 0.5], 0.25),
        (&[f64::NAN, 0.1], &[0.1], 0.0),
    ] {
        assert_eq!(kolmogorov_smirnov(a, b), Some(distance), "{a:?} {b:?}");
    }
    assert_eq!(kolmogorov_smirnov(&[], &[0.1]), None);
    assert_eq!(kolmogorov_smirnov(&[0.1], &[f64::NAN]), None);
    // The table's 1.358 sqrt(2 / n) for two samples of n = 50.
    assert!((ks_critical_value(50, 50) - 0.2716).abs() < 1e-4);
    assert_eq!(ks_critical_value(1, 1), 1.0);
    assert_eq!(ks_critical_value(0, 9), 1.0, "no image is no evidence");
}

fn samples() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0u8..9).prop_map(|eighth| f64::from(eighth) / 8.0), 1..20)
}

proptest! {
    #[test]
    fn it_is_a_distance_of_distributions(a in samples(), b in samples()) {
        let distance = kolmogorov_smirnov(&a, &b).unwrap();
        prop_assert!((0.0..=1.0).contains(&distance));
        prop_assert_eq!(kolmogorov_smirnov(&b, &a).unwrap(), distance);
        let (turned, twice): (Vec<f64>, Vec<f64>) = (a.iter().rev().copied().collect(), [&b[..], &b].concat());
        prop_assert_eq!(kolmogorov_smirnov(&turned, &twice).unwrap(), distance);
        let squares = |values: &[f64]| values.iter().map(|value| value * value).collect::<Vec<_>>();
        prop_assert_eq!(kolmogorov_smirnov(&squares(&a), &squares(&b)).unwrap(), distance);
    }
}
