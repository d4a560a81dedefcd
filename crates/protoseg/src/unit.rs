//! Single units: their SA scores, their mean mu, the split into active and inertia units, and their SAMs.

use tch::{Kind, Tensor};

use super::affine::Thresholds;
use super::error::{Fault, ProtosegError};
use super::interpolation::{axes, upsample};
use super::reference::Prediction;

/// The SA score of each unit of a layer, for a batch of images.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitScores {
    /// `[B, C]` row-major, each in [0, 1], averaged over the classes that the output holds. 0 for a unit that does not separate
    /// object from background (its two prototypes are equal) and for an image with a fault.
    pub scores: Vec<f64>,
    /// Units of the layer, C.
    pub channels: usize,
    /// `[B]`: why an image has no score.
    pub fault: Vec<Option<Fault>>,
}

impl UnitScores {
    /// The scores `[C]` of one image.
    pub fn image(&self, image: usize) -> &[f64] {
        &self.scores[image * self.channels..(image + 1) * self.channels]
    }
}

/// The mean SA score of one image over the units of some layers (eq. 12).
#[derive(Debug, Clone, PartialEq)]
pub struct MeanSa {
    /// In [0, 1]; 0 where there is a fault, never NaN.
    pub mu: f64,
    /// The score of every unit, layer after layer.
    pub units: Vec<f64>,
    /// Why there is no score.
    pub fault: Option<Fault>,
}

/// mu of each image over every unit of the given layers, N units in all. The paper takes the last two layers.
pub fn mean_sa(layers: &[UnitScores]) -> Vec<MeanSa> {
    let batch = layers.first().map_or(0, |layer| layer.fault.len());
    (0..batch)
        .map(|image| {
            let units: Vec<f64> = layers
                .iter()
                .flat_map(|layer| layer.image(image))
                .copied()
                .collect();
            let fault = layers.iter().find_map(|layer| layer.fault[image]);
            let mu = if fault.is_some() {
                0.0
            } else {
                units.iter().sum::<f64>() / units.len() as f64
            };
            MeanSa { mu, units, fault }
        })
        .collect()
}

/// Units split into active units and inertia units, which contribute a constant to the output (eq. 10).
#[derive(Debug, Clone, PartialEq)]
pub struct UnitSplit {
    /// A unit is active iff its score is above this.
    pub threshold: f64,
    /// Indices of the active units, best first.
    pub active: Vec<usize>,
    /// Indices of the inertia units, best first.
    pub inertia: Vec<usize>,
}

/// Splits units by their SA scores (Fig. 7 shows two groups) at the cut that minimises the variance within both groups (Otsu 1979). Units
/// that all have one score are all inertia.
pub fn split_units(scores: &[f64]) -> UnitSplit {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let total: f64 = scores.iter().sum();
    let (mut best, mut cut, mut above) = (0.0, 0, 0.0);
    for (index, pair) in order.windows(2).enumerate() {
        above += scores[pair[0]];
        if scores[pair[0]] == scores[pair[1]] {
            continue;
        }
        let (upper, lower) = ((index + 1) as f64, (order.len() - index - 1) as f64);
        let gap = above / upper - (total - above) / lower;
        let between = upper * lower * gap * gap;
        if between > best {
            (best, cut) = (between, index + 1);
        }
    }
    let threshold = match order.get(cut) {
        Some(&next) => scores[next],
        None => f64::INFINITY,
    };
    let inertia = order.split_off(cut);
    UnitSplit {
        threshold,
        active: order,
        inertia,
    }
}

/// Each unit's own SAM, computed on request.
pub struct UnitMaps<'a> {
    feature: &'a Tensor,
    reference: &'a Prediction,
    thresholds: Thresholds,
}

impl<'a> UnitMaps<'a> {
    pub(super) fn new(
        feature: &'a Tensor,
        reference: &'a Prediction,
        thresholds: Thresholds,
    ) -> UnitMaps<'a> {
        UnitMaps {
            feature,
            reference,
            thresholds,
        }
    }

    /// The SAMs `[U, *S]` uint8 of some units of one image for one object class (1..=K), each against the rest (Fig. 8).
    pub fn sams(&self, image: usize, class: usize, units: &[usize]) -> Result<Tensor, ProtosegError> {
        let maps: Result<Vec<Tensor>, _> = units.iter().map(|&unit| self.sam(image, class, unit)).collect();
        Ok(Tensor::f_stack(&maps?, 0)?.f_to_kind(Kind::Uint8)?)
    }

    /// The average `[*S]` float32 in [0, 1] of all units' SAMs of one image for one object class (1..=K): the heat map of Fig. 9.
    pub fn average(&self, image: usize, class: usize) -> Result<Tensor, ProtosegError> {
        let channels = self.thresholds.channels;
        let mut sum = Tensor::f_zeros(self.reference.size(), (Kind::Float, self.feature.device()))?;
        for unit in 0..channels {
            sum = sum.f_add(&self.sam(image, class, unit)?)?;
        }
        Ok(sum.f_div_scalar(channels as f64)?)
    }

    fn sam(&self, image: usize, class: usize, unit: usize) -> Result<Tensor, ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let place = (image * self.thresholds.classes + class - 1) * self.thresholds.channels + unit;
        let plane = self
            .feature
            .f_select(0, image as i64)?
            .f_select(0, unit as i64)?
            .f_to_kind(Kind::Double)?;
        let plane = upsample(&plane, &axes(&plane.size(), self.reference.size()));
        Ok(plane
            .f_mul_scalar(self.thresholds.sign[place])?
            .f_gt(self.thresholds.limit[place])?)
    }
}
