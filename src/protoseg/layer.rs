//! A layer's SAM and its SA score.

use tch::Tensor;

use super::affine::{Affine, Prototypes, Thresholds};
use super::backend::{BackendKind, MapCounts};
use super::error::{Fault, ProtosegError};
use super::metric::{Confusion, Metric};
use super::reference::Reference;
use super::unit::{UnitMaps, UnitScores};

/// How to score: the metric, and the backend that does the passes. The default is Dice, on the backend where the tensor lies.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProtoSeg {
    /// The agreement that is the SA score.
    pub metric: Metric,
    /// Which backend works.
    pub backend: BackendKind,
}

/// The SAM of a layer for a batch of images (Algorithm 1).
pub struct LayerSam {
    /// `[B, K, *S]` float32: the probability of each object class; 0 for an image with a fault.
    pub probability: Tensor,
    /// `[B, *S]` uint8: 0 background, k object class k; 0 for an image with a fault.
    pub sam: Tensor,
    /// `[B]`: the SA score in [0, 1], averaged over the classes that the output holds; 0 for an image with a fault.
    pub score: Vec<f64>,
    /// `[B]`: why an image has no score.
    pub fault: Vec<Option<Fault>>,
}

impl ProtoSeg {
    /// The SAM of a feature map `[B, C, *s]` at the reference's resolution.
    pub fn layer(&self, feature: &Tensor, reference: &Reference) -> Result<LayerSam, ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        self.layer_of(feature, reference, &self.prototypes(feature, reference)?)
    }

    /// The SA score of each unit's own scalar SAM.
    pub fn units(&self, feature: &Tensor, reference: &Reference) -> Result<UnitScores, ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        self.units_of(feature, reference, &prototypes, &prototypes.thresholds())
    }

    /// [`ProtoSeg::units`], and the maps that were scored.
    pub fn units_and_maps<'a>(
        &self,
        feature: &'a Tensor,
        reference: &'a Reference,
    ) -> Result<(UnitScores, UnitMaps<'a>), ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        let thresholds = prototypes.thresholds();
        let scores = self.units_of(feature, reference, &prototypes, &thresholds)?;
        Ok((scores, UnitMaps::new(feature, reference, thresholds)))
    }

    /// [`ProtoSeg::units`] and the scores `[B]` of [`ProtoSeg::layer`] of one feature: its prototypes are taken once, and no map is made.
    pub fn units_and_score(
        &self,
        feature: &Tensor,
        reference: &Reference,
    ) -> Result<(UnitScores, Vec<f64>), ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        let units = self.units_of(feature, reference, &prototypes, &prototypes.thresholds())?;
        let affine = without_faulty(prototypes.affine(), &units.fault);
        let backend = self.backend.on(feature.device());
        let counts = backend.map_counts(feature, reference, &affine)?;
        let scores = self.scores_of(reference, &units.fault, &counts);
        Ok((units, scores))
    }

    fn prototypes(&self, feature: &Tensor, reference: &Reference) -> Result<Prototypes, ProtosegError> {
        reference.check_feature(feature)?;
        let backend = self.backend.on(feature.device());
        Ok(Prototypes::new(
            backend.class_sums(feature, reference)?,
            reference,
        ))
    }

    fn layer_of(
        &self,
        feature: &Tensor,
        reference: &Reference,
        prototypes: &Prototypes,
    ) -> Result<LayerSam, ProtosegError> {
        let fault = faults(reference, prototypes);
        let affine = without_faulty(prototypes.affine(), &fault);
        let maps = self
            .backend
            .on(feature.device())
            .maps(feature, reference, &affine)?;
        let score = self.scores_of(reference, &fault, &maps.counts);
        Ok(LayerSam {
            probability: maps.probability,
            sam: maps.sam,
            score,
            fault,
        })
    }

    /// The SA score of each image from its counts `[B, K]`.
    fn scores_of(&self, reference: &Reference, fault: &[Option<Fault>], counts: &[MapCounts]) -> Vec<f64> {
        let classes = reference.classes();
        let score = |image: usize| match fault[image] {
            Some(_) => 0.0,
            None => mean_over_classes(reference, image, |class| {
                let counts = counts[image * classes + class];
                self.metric.score(confusion(reference, image, class, counts))
            }),
        };
        (0..reference.batch()).map(score).collect()
    }

    fn units_of(
        &self,
        feature: &Tensor,
        reference: &Reference,
        prototypes: &Prototypes,
        thresholds: &Thresholds,
    ) -> Result<UnitScores, ProtosegError> {
        let fault = faults(reference, prototypes);
        let backend = self.backend.on(feature.device());
        let counts = backend.unit_counts(feature, reference, thresholds)?;
        let (classes, channels) = (thresholds.classes, thresholds.channels);
        let mut scores = Vec::with_capacity(reference.batch() * channels);
        for (image, fault) in fault.iter().enumerate() {
            for channel in 0..channels {
                scores.push(match fault {
                    Some(_) => 0.0,
                    None => mean_over_classes(reference, image, |class| {
                        let place = (image * classes + class) * channels + channel;
                        if thresholds.limit[place] == f64::INFINITY {
                            return 0.0;
                        }
                        self.metric
                            .score(confusion(reference, image, class, counts[place]))
                    }),
                });
            }
        }
        Ok(UnitScores {
            scores,
            channels,
            fault,
        })
    }
}

/// The affine scores with no class left to the images that have a fault.
fn without_faulty(mut affine: Affine, fault: &[Option<Fault>]) -> Affine {
    let (classes, channels) = (affine.classes, affine.channels);
    for (image, _) in fault.iter().enumerate().filter(|(_, fault)| fault.is_some()) {
        affine.direction[image * classes * channels..(image + 1) * classes * channels].fill(0.0);
        affine.bias[image * classes..(image + 1) * classes].fill(f64::NEG_INFINITY);
    }
    affine
}

/// An image's own fault, or that its features are not finite.
fn faults(reference: &Reference, prototypes: &Prototypes) -> Vec<Option<Fault>> {
    let of = |(image, &finite): (usize, &bool)| {
        if finite {
            reference.fault(image)
        } else {
            Some(Fault::NotFinite)
        }
    };
    prototypes.finite.iter().enumerate().map(of).collect()
}

fn confusion(reference: &Reference, image: usize, class: usize, counts: MapCounts) -> Confusion {
    let labels = reference.counts(image);
    Confusion {
        both: counts.both,
        sam: counts.sam,
        reference: labels[class + 1],
        pixels: labels.iter().sum(),
    }
}

/// The mean over the classes (0-based) that the output holds and does not fill; 0 where there is none.
fn mean_over_classes(reference: &Reference, image: usize, score: impl Fn(usize) -> f64) -> f64 {
    let labels = reference.counts(image);
    let pixels: u64 = labels.iter().sum();
    let (mut sum, mut present) = (0.0, 0u32);
    for class in (0..reference.classes()).filter(|class| (1..pixels).contains(&labels[class + 1])) {
        sum += score(class);
        present += 1;
    }
    if present == 0 {
        0.0
    } else {
        sum / f64::from(present)
    }
}
