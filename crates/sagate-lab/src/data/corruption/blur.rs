//! Blur.

use ndarray::{Array1, Array3, Axis};

use super::Severity;

/// Standard deviation of the Gaussian in pixels, for each severity.
const SPREAD: [f64; 3] = [1.0, 2.0, 4.0];

/// Blurs every channel.
pub(super) fn blur(pixels: &mut Array3<f32>, severity: Severity) {
    convolve_gaussian(pixels, severity.select(SPREAD));
}

/// Convolves every channel with a Gaussian of standard deviation `spread` in pixels (above 0), truncated at three standard deviations;
/// edge pixels are replicated.
pub(in crate::data) fn convolve_gaussian(pixels: &mut Array3<f32>, spread: f64) {
    let reach = (3.0 * spread).ceil() as i64;
    let bell: Vec<f64> = (-reach..=reach)
        .map(|d| (-0.5 * (d as f64 / spread).powi(2)).exp())
        .collect();
    let total: f64 = bell.iter().sum();
    let kernel: Vec<f64> = bell.into_iter().map(|weight| weight / total).collect();
    for axis in [Axis(1), Axis(2)] {
        for mut lane in pixels.lanes_mut(axis) {
            let last = lane.len() as i64 - 1;
            let blurred: Array1<f32> = (0..=last)
                .map(|at| {
                    let taps = (-reach..=reach).zip(&kernel);
                    let sum: f64 = taps
                        .map(|(d, weight)| weight * f64::from(lane[(at + d).clamp(0, last) as usize]))
                        .sum();
                    sum as f32
                })
                .collect();
            lane.assign(&blurred);
        }
    }
}
