//! Prototypes from the class sums of a feature map, and the affine score of the SAM from the prototypes.

use super::backend::ClassSums;

/// Prototypes whose relative difference is below this count as equal: the difference is rounding error of the sums.
const SAME_PROTOTYPE: f64 = 1e-12;

/// Mean feature of each class (eq. 6).
#[derive(Debug, Clone)]
pub struct Prototypes {
    /// `[B, K + 1, C]`, background first. NaN where the class has no pixel, or the feature is not finite.
    pub values: Vec<f64>,
    /// Object classes, K.
    pub classes: usize,
    /// Channels, C.
    pub channels: usize,
    /// Whether the features of each image were finite.
    pub finite: Vec<bool>,
    mass: Vec<f64>,
    sums: Vec<f64>,
}

/// The score `d_b - d_k` of each pixel and class as an affine function of the feature: `direction . f + bias`
/// (`2 (f - mid) . (c_k - c_b)`). A class without prototype has the score minus infinity.
#[derive(Debug, Clone)]
pub struct Affine {
    /// `[B, K, C]`.
    pub direction: Vec<f64>,
    /// `[B, K]`.
    pub bias: Vec<f64>,
    /// Object classes, K.
    pub classes: usize,
    /// Channels, C.
    pub channels: usize,
}

/// For each image, class and unit `[B, K, C]`: the unit's own SAM is `sign * f > limit`, the midpoint of its two scalar
/// prototypes. A unit whose prototypes are equal has an infinite limit: its SAM is empty.
#[derive(Debug, Clone)]
pub struct Thresholds {
    /// 1 where the unit responds more inside the class than outside, -1 where it responds less.
    pub sign: Vec<f64>,
    /// The midpoint times the sign.
    pub limit: Vec<f64>,
    /// Object classes, K.
    pub classes: usize,
    /// Channels, C.
    pub channels: usize,
}

impl Prototypes {
    /// From the sums over the background and each of `classes` object classes.
    pub fn new(sums: ClassSums, classes: usize) -> Prototypes {
        let channels = sums.channels;
        let per_image = (classes + 1) * channels;
        let values = sums
            .values
            .chunks_exact(channels)
            .zip(&sums.mass)
            .flat_map(|(row, &mass)| row.iter().map(move |sum| sum / mass))
            .collect();
        let finite = sums
            .values
            .chunks_exact(per_image)
            .map(|image| image.iter().all(|v| v.is_finite()))
            .collect();
        Prototypes {
            values,
            classes,
            channels,
            finite,
            mass: sums.mass,
            sums: sums.values,
        }
    }

    /// The prototype `[C]` of a class (0 background) of one image.
    pub fn prototype(&self, image: usize, class: usize) -> &[f64] {
        let start = (image * (self.classes + 1) + class) * self.channels;
        &self.values[start..start + self.channels]
    }

    fn exists(&self, image: usize, class: usize) -> bool {
        self.finite[image] && self.mass[image * (self.classes + 1) + class] > 0.0
    }

    /// The score of the nearest-prototype decision.
    pub fn affine(&self) -> Affine {
        let batch = self.finite.len();
        let mut affine = Affine {
            direction: Vec::with_capacity(batch * self.classes * self.channels),
            bias: Vec::with_capacity(batch * self.classes),
            classes: self.classes,
            channels: self.channels,
        };
        for image in 0..batch {
            let background = self.prototype(image, 0);
            for class in 1..=self.classes {
                if !self.exists(image, 0) || !self.exists(image, class) {
                    affine.direction.extend(std::iter::repeat_n(0.0, self.channels));
                    affine.bias.push(f64::NEG_INFINITY);
                    continue;
                }
                let mut bias = 0.0;
                for (&object, &background) in self.prototype(image, class).iter().zip(background) {
                    let direction = 2.0 * difference(object, background);
                    bias -= direction * 0.5 * (object + background);
                    affine.direction.push(direction);
                }
                affine.bias.push(bias);
            }
        }
        affine
    }

    /// The threshold of each unit, every class against the rest.
    pub fn thresholds(&self) -> Thresholds {
        let batch = self.finite.len();
        let count = batch * self.classes * self.channels;
        let mut thresholds = Thresholds {
            sign: Vec::with_capacity(count),
            limit: Vec::with_capacity(count),
            classes: self.classes,
            channels: self.channels,
        };
        for image in 0..batch {
            for class in 1..=self.classes {
                let exists = self.finite[image];
                let object_mass = self.mass[image * (self.classes + 1) + class];
                let rest_mass = self.rest(class, |other| self.mass[image * (self.classes + 1) + other]);
                for channel in 0..self.channels {
                    let sum = |other: usize| {
                        self.sums[(image * (self.classes + 1) + other) * self.channels + channel]
                    };
                    let object = sum(class) / object_mass;
                    let rest = self.rest(class, sum) / rest_mass;
                    let difference = difference(object, rest);
                    // A NaN (no pixel on one side) compares false with everything and gets the empty SAM as well.
                    let (sign, limit) = if exists && difference > 0.0 {
                        (1.0, 0.5 * (object + rest))
                    } else if exists && difference < 0.0 {
                        (-1.0, -0.5 * (object + rest))
                    } else {
                        (1.0, f64::INFINITY)
                    };
                    thresholds.sign.push(sign);
                    thresholds.limit.push(limit);
                }
            }
        }
        thresholds
    }

    /// Sum over all classes but one, background included.
    fn rest(&self, class: usize, value: impl Fn(usize) -> f64) -> f64 {
        (0..=self.classes)
            .filter(|&other| other != class)
            .map(value)
            .sum()
    }
}

fn difference(object: f64, rest: f64) -> f64 {
    let difference = object - rest;
    if difference.abs() <= SAME_PROTOTYPE * object.abs().max(rest.abs()) {
        0.0
    } else {
        difference
    }
}
