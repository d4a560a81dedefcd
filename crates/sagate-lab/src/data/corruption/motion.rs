//! Motion ghosts: the head swings to and fro along the phase-encoding direction while k-space is filled line by line.
//!
//! A shift of the head by d pixels multiplies the k-space line of frequency k by exp(-2 pi i k d / n). As the shift is
//! along the phase-encoding direction only, each column (or row) of the image is transformed, multiplied and transformed
//! back on its own: exact, not an approximation by shifted copies.

use std::f64::consts::TAU;

use ndarray::{Array3, Axis};
use rand::Rng;

use super::Severity;

/// The swing's amplitude in pixels.
const AMPLITUDE: [f64; 3] = [0.75, 1.5, 3.0];

/// Motion cycles during the k-space acquisition, as a share of its lines: the nearest ghosts lie this share of the image's side away.
const FREQUENCIES: std::ops::Range<f64> = 0.1..0.3;

/// Puts ghosts into every channel. Direction, rate and phase of the swing are random; one swing moves all channels.
pub(super) fn ghosts(pixels: &mut Array3<f32>, severity: Severity, random: &mut impl Rng) {
    let axis = if random.r#gen::<bool>() { Axis(1) } else { Axis(2) };
    let rate = random.gen_range(FREQUENCIES);
    let phase = random.gen_range(0.0..TAU);
    let n = pixels.len_of(axis);
    let wave: Vec<(f64, f64)> = (0..n).map(|t| (TAU * t as f64 / n as f64).sin_cos()).collect();
    // Lines are taken in the order of their frequency, from -n/2 up; the one in the middle is at rest, so that the
    // image as a whole stays where it is.
    let swing = |line: f64| (TAU * rate * line + phase).sin() - phase.sin();
    let turns: Vec<(f64, f64)> = (0..n)
        .map(|k| {
            let frequency = if 2 * k < n { k as f64 } else { k as f64 - n as f64 };
            let shift = severity.select(AMPLITUDE) * swing(frequency);
            (-TAU * frequency * shift / n as f64).sin_cos()
        })
        .collect();
    for mut lane in pixels.lanes_mut(axis) {
        if lane.iter().all(|&v| v == 0.0) {
            continue;
        }
        let line: Vec<f64> = lane.iter().map(|&v| f64::from(v)).collect();
        let spectrum: Vec<(f64, f64)> = (0..n)
            .map(|k| {
                let (mut re, mut im) = (0.0, 0.0);
                for (t, v) in line.iter().enumerate() {
                    let (sin, cos) = wave[k * t % n];
                    re += v * cos;
                    im -= v * sin;
                }
                let (sin, cos) = turns[k];
                (re * cos - im * sin, re * sin + im * cos)
            })
            .collect();
        for (t, v) in lane.iter_mut().enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for (k, (a, b)) in spectrum.iter().enumerate() {
                let (sin, cos) = wave[k * t % n];
                re += a * cos - b * sin;
                im += a * sin + b * cos;
            }
            *v = (re.hypot(im) / n as f64).copysign(f64::from(*v)) as f32;
        }
    }
}
