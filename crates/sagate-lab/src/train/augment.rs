//! Data augmentation: flips, a small affine map, intensity.
//!
//! All of them work on the prepared image, and their units are the image's own (its standard deviation, its range), so
//! that the same numbers do for images scaled to z-scores and to 0..1.

use ndarray::{Array2, Array3, ArrayView2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::samples::Sample;

/// Ranges of the augmentation. Every amount is a maximum; draws are uniform from minus to plus the amount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Probability that left and right are swapped.
    pub flip_horizontal: f64,
    /// Probability that top and bottom are swapped.
    pub flip_vertical: f64,
    /// Probability of the affine map below.
    pub affine: f64,
    /// Degrees, 0 to 180.
    pub rotation: f64,
    /// Relative change of size, 0 to below 1.
    pub scale: f64,
    /// Share of the side, 0 to 1.
    pub translation: f64,
    /// Degrees, 0 to below 90.
    pub shear: f64,
    /// Probability of the four changes of intensity below.
    pub intensity: f64,
    /// Relative change of the contrast about the image's mean, 0 to below 1.
    pub gain: f64,
    /// Change of brightness, in standard deviations of the image.
    pub offset: f64,
    /// Largest logarithm of the exponent that the intensities, scaled to 0..1, are raised to.
    pub gamma: f64,
    /// Largest standard deviation of Gaussian noise, in standard deviations of the image.
    pub noise: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation {
            flip_horizontal: 0.5,
            flip_vertical: 0.0,
            affine: 0.8,
            rotation: 10.0,
            scale: 0.1,
            translation: 0.05,
            shear: 5.0,
            intensity: 0.8,
            gain: 0.15,
            offset: 0.15,
            gamma: 0.2,
            noise: 0.05,
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub fn none() -> Self {
        Augmentation {
            flip_horizontal: 0.0,
            flip_vertical: 0.0,
            affine: 0.0,
            intensity: 0.0,
            ..Self::default()
        }
    }

    /// The first field outside its range: its name, its value, and the range in words.
    pub fn out_of_range(&self) -> Option<(&'static str, f64, &'static str)> {
        const PROBABILITY: &str = "a probability from 0 to 1";
        let checks: [(&'static str, f64, f64, &'static str); 12] = [
            ("flip_horizontal", self.flip_horizontal, 1.0, PROBABILITY),
            ("flip_vertical", self.flip_vertical, 1.0, PROBABILITY),
            ("affine", self.affine, 1.0, PROBABILITY),
            ("rotation", self.rotation, 180.0, "degrees from 0 to 180"),
            ("scale", self.scale, 0.9, "a share from 0 to 0.9"),
            (
                "translation",
                self.translation,
                1.0,
                "a share of the side from 0 to 1",
            ),
            ("shear", self.shear, 80.0, "degrees from 0 to 80"),
            ("intensity", self.intensity, 1.0, PROBABILITY),
            ("gain", self.gain, 0.9, "a share from 0 to 0.9"),
            ("offset", self.offset, 10.0, "standard deviations from 0 to 10"),
            ("gamma", self.gamma, 3.0, "a logarithm from 0 to 3"),
            ("noise", self.noise, 10.0, "standard deviations from 0 to 10"),
        ];
        let wrong = checks
            .into_iter()
            .find(|(_, value, high, _)| !(0.0..=*high).contains(value));
        wrong.map(|(field, value, _, range)| (field, value, range))
    }

    /// Draws one change and makes it; the size stays.
    pub fn apply(&self, sample: &Sample, random: &mut ChaCha8Rng) -> Sample {
        let mut sample = sample.clone();
        for (probability, axis) in [(self.flip_horizontal, 1), (self.flip_vertical, 0)] {
            if random.gen_bool(probability) {
                flip(&mut sample, axis);
            }
        }
        if random.gen_bool(self.affine) {
            sample = self.draw_affine(random, sample.labels.dim()).warp(&sample);
        }
        if random.gen_bool(self.intensity) {
            self.change_intensity(&mut sample, random);
        }
        sample
    }

    fn draw_affine(&self, random: &mut ChaCha8Rng, (height, width): (usize, usize)) -> Affine {
        let angle = either_way(random, self.rotation).to_radians();
        let shear = either_way(random, self.shear).to_radians().tan();
        let scale = 1.0 + either_way(random, self.scale);
        let shift = [height, width].map(|side| either_way(random, self.translation) * side as f64);
        let (sin, cos) = angle.sin_cos();
        // Rotation times shear along the rows, over the scale: from a target pixel to where it comes from.
        let linear = [[cos, cos * shear - sin], [sin, sin * shear + cos]].map(|row| row.map(|v| v / scale));
        Affine { linear, shift }
    }

    fn change_intensity(&self, sample: &mut Sample, random: &mut ChaCha8Rng) {
        let gain = (1.0 + either_way(random, self.gain)) as f32;
        let offset = either_way(random, self.offset) as f32;
        let gamma = either_way(random, self.gamma).exp() as f32;
        let noise = random.gen_range(0.0..=self.noise) as f32;
        for mut channel in sample.pixels.outer_iter_mut() {
            let (mean, deviation) = mean_and_deviation(channel.view());
            let (low, high) = range(channel.view());
            let span = high - low;
            if span <= 0.0 {
                continue;
            }
            channel.mapv_inplace(|value| {
                let bent = low + span * ((value - low) / span).clamp(0.0, 1.0).powf(gamma);
                let random: f32 = StandardNormal.sample(random);
                mean + gain * (bent - mean) + deviation * (offset + noise * random)
            });
        }
    }
}

/// From a target pixel to its source: `linear * (p - centre) + centre + shift`, rows first, in pixels.
struct Affine {
    linear: [[f64; 2]; 2],
    shift: [f64; 2],
}

impl Affine {
    /// The image by bilinear interpolation, labels and validity by the nearest pixel. What comes from outside is the
    /// image's darkest value and background.
    fn warp(&self, sample: &Sample) -> Sample {
        let (height, width) = sample.labels.dim();
        let mut pixels = Array3::zeros(sample.pixels.raw_dim());
        for (mut target, source) in pixels.outer_iter_mut().zip(sample.pixels.outer_iter()) {
            let (fill, _) = range(source);
            target.indexed_iter_mut().for_each(|((row, column), value)| {
                *value = bilinear(source, self.source((height, width), (row, column)), fill);
            });
        }
        let nearest = |from: &Array2<u8>| {
            Array2::from_shape_fn((height, width), |at| {
                let [row, column] = self.source((height, width), at).map(|v| v.round() as isize);
                from.get((row as usize, column as usize)).copied().unwrap_or(0)
            })
        };
        Sample {
            pixels,
            labels: nearest(&sample.labels),
            valid: sample.valid.as_ref().map(nearest),
        }
    }

    fn source(&self, (height, width): (usize, usize), (row, column): (usize, usize)) -> [f64; 2] {
        let centre = [height, width].map(|side| (side as f64 - 1.0) / 2.0);
        let from = [row as f64 - centre[0], column as f64 - centre[1]];
        [0, 1].map(|axis| {
            let [a, b] = self.linear[axis];
            a * from[0] + b * from[1] + centre[axis] + self.shift[axis]
        })
    }
}

fn bilinear(source: ArrayView2<'_, f32>, [row, column]: [f64; 2], fill: f32) -> f32 {
    let (top, left) = (row.floor(), column.floor());
    let (down, right) = ((row - top) as f32, (column - left) as f32);
    // A negative index wraps to a huge one, which `get` refuses as it does those beyond the other end.
    let (top, left) = (top as isize as usize, left as isize as usize);
    let at = |row: usize, column: usize| source.get((row, column)).copied().unwrap_or(fill);
    let (next_row, next_column) = (top.wrapping_add(1), left.wrapping_add(1));
    let above = at(top, left) * (1.0 - right) + at(top, next_column) * right;
    let below = at(next_row, left) * (1.0 - right) + at(next_row, next_column) * right;
    above * (1.0 - down) + below * down
}

fn flip(sample: &mut Sample, axis: usize) {
    sample.pixels.invert_axis(Axis(axis + 1));
    sample.labels.invert_axis(Axis(axis));
    if let Some(valid) = &mut sample.valid {
        valid.invert_axis(Axis(axis));
    }
}

fn either_way(random: &mut ChaCha8Rng, most: f64) -> f64 {
    random.gen_range(-most..=most)
}

fn mean_and_deviation(channel: ArrayView2<'_, f32>) -> (f32, f32) {
    let count = channel.len().max(1) as f64;
    let mean = channel.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = channel
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean as f32, variance.sqrt() as f32)
}

fn range(channel: ArrayView2<'_, f32>) -> (f32, f32) {
    channel
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
            (low.min(v), high.max(v))
        })
}
