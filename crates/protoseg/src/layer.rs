//! A layer's SAM and its SA score.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Tensor};

use super::affine::{Affine, Prototypes, Thresholds};
use super::backend::{MapCounts, SamOutput};
use super::backend_kind::BackendKind;
use super::cpu;
use super::error::{Fault, ProtosegError};
use super::metric::{Confusion, Metric};
use super::prediction_view::PredictionView;
use super::reference::Prediction;
use super::unit::{UnitMaps, UnitScores};

/// The method with its parameters: metric and backend. The default is Dice, on the backend of the tensor's device.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProtoSeg {
    /// The metric of the SA score.
    pub metric: Metric,
    /// Which backend is used.
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
    pub fn layer(&self, feature: &Tensor, reference: &Prediction) -> Result<LayerSam, ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        reference.check_feature(feature)?;
        let backend = self.backend.on(feature.device());
        let prototypes = self.prototypes(feature, reference)?;
        self.sam(reference.view(), &prototypes, |affine| {
            backend.maps(feature, reference, affine)
        })
    }

    /// [`ProtoSeg::layer`] of several feature maps, each optionally with its prototypes. `ready` is called with the index and the SAM of
    /// each feature map as soon as it is computed; no further work starts once it returns `false`. With the native kernels every thread
    /// works on its own feature map, so `ready` is called from several threads in any order.
    pub fn layers(
        &self,
        features: &[(&Tensor, Option<&Prototypes>)],
        reference: &Prediction,
        ready: &(dyn Fn(usize, LayerSam) -> bool + Sync),
    ) -> Result<(), ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let on_cpu = features
            .iter()
            .all(|(feature, _)| feature.device() == Device::Cpu);
        if self.backend == BackendKind::Tensor || !on_cpu {
            for (place, (feature, _)) in features.iter().enumerate() {
                if !ready(place, self.layer(feature, reference)?) {
                    break;
                }
            }
            return Ok(());
        }
        for (feature, _) in features {
            reference.check_feature(feature)?;
        }
        let (features, known): (Vec<_>, Vec<_>) = features.iter().copied().unzip();
        let (answer, over, failed) = (reference.view(), AtomicBool::new(false), Mutex::new(None));
        cpu::each_feature(&features, reference, |place, passes| {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let prototypes = match known[place] {
                Some(prototypes) => Cow::Borrowed(prototypes),
                None => Cow::Owned(Prototypes::new(passes.class_sums(), answer.classes)),
            };
            let go_on = match self.sam(answer, &prototypes, |affine| passes.maps(affine)) {
                Ok(sam) => ready(place, sam),
                Err(error) => {
                    failed.lock().expect("no holder panics").get_or_insert(error);
                    false
                }
            };
            over.fetch_or(!go_on, Ordering::Relaxed);
        })?;
        match failed.into_inner().expect("no holder panics") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The SA score of each unit's own scalar SAM.
    pub fn units(&self, feature: &Tensor, reference: &Prediction) -> Result<UnitScores, ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        self.units_of(feature, reference, &prototypes, &prototypes.thresholds())
    }

    /// [`ProtoSeg::units`], and the maps that were scored.
    pub fn units_and_maps<'a>(
        &self,
        feature: &'a Tensor,
        reference: &'a Prediction,
    ) -> Result<(UnitScores, UnitMaps<'a>), ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        let thresholds = prototypes.thresholds();
        let scores = self.units_of(feature, reference, &prototypes, &thresholds)?;
        Ok((scores, UnitMaps::new(feature, reference, thresholds)))
    }

    /// [`ProtoSeg::units`] and the scores `[B]` of [`ProtoSeg::layer`] of one feature map, with its prototypes. Computes the prototypes
    /// once and no maps.
    pub fn units_and_score(
        &self,
        feature: &Tensor,
        reference: &Prediction,
    ) -> Result<(UnitScores, Vec<f64>, Prototypes), ProtosegError> {
        let _no_grad = tch::no_grad_guard();
        let prototypes = self.prototypes(feature, reference)?;
        let units = self.units_of(feature, reference, &prototypes, &prototypes.thresholds())?;
        let affine = without_faulty(prototypes.affine(), &units.fault);
        let backend = self.backend.on(feature.device());
        let counts = backend.map_counts(feature, reference, &affine)?;
        let scores = self.scores_of(reference.view(), &units.fault, &counts);
        Ok((units, scores, prototypes))
    }

    fn prototypes(&self, feature: &Tensor, reference: &Prediction) -> Result<Prototypes, ProtosegError> {
        reference.check_feature(feature)?;
        let backend = self.backend.on(feature.device());
        Ok(Prototypes::new(
            backend.class_sums(feature, reference)?,
            reference.classes(),
        ))
    }

    /// A layer's SAM, given its prototypes and the pass that makes its maps.
    fn sam(
        &self,
        answer: PredictionView,
        prototypes: &Prototypes,
        maps: impl FnOnce(&Affine) -> Result<SamOutput, ProtosegError>,
    ) -> Result<LayerSam, ProtosegError> {
        let fault = faults(answer, prototypes);
        let maps = maps(&without_faulty(prototypes.affine(), &fault))?;
        let score = self.scores_of(answer, &fault, &maps.counts);
        Ok(LayerSam {
            probability: maps.probability,
            sam: maps.sam,
            score,
            fault,
        })
    }

    /// The SA score of each image from its counts `[B, K]`.
    fn scores_of(&self, answer: PredictionView, fault: &[Option<Fault>], counts: &[MapCounts]) -> Vec<f64> {
        let score = |image: usize| match fault[image] {
            Some(_) => 0.0,
            None => mean_over_classes(&answer.counts[image], |class| {
                let counts = counts[image * answer.classes + class];
                self.metric.score(confusion(&answer.counts[image], class, counts))
            }),
        };
        (0..answer.batch()).map(score).collect()
    }

    fn units_of(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        prototypes: &Prototypes,
        thresholds: &Thresholds,
    ) -> Result<UnitScores, ProtosegError> {
        let fault = faults(reference.view(), prototypes);
        let backend = self.backend.on(feature.device());
        let counts = backend.unit_counts(feature, reference, thresholds)?;
        let (classes, channels) = (thresholds.classes, thresholds.channels);
        let mut scores = Vec::with_capacity(reference.batch() * channels);
        for (image, fault) in fault.iter().enumerate() {
            for channel in 0..channels {
                scores.push(match fault {
                    Some(_) => 0.0,
                    None => mean_over_classes(reference.counts(image), |class| {
                        let place = (image * classes + class) * channels + channel;
                        if thresholds.limit[place] == f64::INFINITY {
                            return 0.0;
                        }
                        self.metric
                            .score(confusion(reference.counts(image), class, counts[place]))
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

/// The affine scores, with every class disabled for the images that have a fault.
fn without_faulty(mut affine: Affine, fault: &[Option<Fault>]) -> Affine {
    let (classes, channels) = (affine.classes, affine.channels);
    for (image, _) in fault.iter().enumerate().filter(|(_, fault)| fault.is_some()) {
        affine.direction[image * classes * channels..(image + 1) * classes * channels].fill(0.0);
        affine.bias[image * classes..(image + 1) * classes].fill(f64::NEG_INFINITY);
    }
    affine
}

/// An image's own fault, or that its features are not finite.
fn faults(answer: PredictionView, prototypes: &Prototypes) -> Vec<Option<Fault>> {
    let of = |(&fault, &finite): (&Option<Fault>, &bool)| if finite { fault } else { Some(Fault::NotFinite) };
    answer.faults.iter().zip(&prototypes.finite).map(of).collect()
}

/// The confusion of a class (0-based) with the output; `labels` has the output's pixel count of each label.
fn confusion(labels: &[u64], class: usize, counts: MapCounts) -> Confusion {
    Confusion {
        both: counts.both,
        sam: counts.sam,
        reference: labels[class + 1],
        pixels: labels.iter().sum(),
    }
}

/// The mean over the classes (0-based) that the output holds and does not fill; 0 where there is none.
fn mean_over_classes(labels: &[u64], score: impl Fn(usize) -> f64) -> f64 {
    let pixels: u64 = labels.iter().sum();
    let (mut sum, mut present) = (0.0, 0u32);
    for class in (0..labels.len() - 1).filter(|class| (1..pixels).contains(&labels[class + 1])) {
        sum += score(class);
        present += 1;
    }
    if present == 0 {
        0.0
    } else {
        sum / f64::from(present)
    }
}
