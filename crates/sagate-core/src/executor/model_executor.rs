//! A loaded model: forward pass, scores and decision of a batch.

use std::sync::Arc;

use ndarray::{Array2, Array3};
use protoseg::{Fault, MaskKind, MeanSa, Prediction, ProtoSeg, Prototypes, mean_sa};
use tch::Tensor;

use super::error::ExecutorError;
use super::interpretation::Interpretation;
use super::model_spec::{ModelSpec, PreparedImage};
use super::segmentation::{LayerScore, Score, Segmentation, labels};
use super::tensors;
use crate::gate::{Calibration, Confidence, Decision, FeatureVector, Policy, ScoreCalibration, Shape};
use crate::imaging::Image;
use crate::model::{Manifest, Model};
use crate::nn::inference::{InferenceNet, Output};
use crate::nn::placement::Placement;

/// A loaded model: network, scores and gate. Must stay on the thread that created it.
pub struct ModelExecutor {
    spec: Arc<ModelSpec>,
    net: InferenceNet,
    method: ProtoSeg,
}

/// The network's output for a batch, not yet scored.
pub struct Forward<'a> {
    images: Vec<&'a PreparedImage>,
    output: Output,
}

impl ModelExecutor {
    /// Loads a model onto a device, in single precision by default.
    ///
    /// # Errors
    /// Weights or a calibration that are damaged or do not fit the manifest.
    pub fn load(model: &Model, placement: impl Into<Placement>) -> Result<ModelExecutor, ExecutorError> {
        ModelExecutor::with_spec(model, Arc::new(ModelSpec::new(model)?), placement.into())
    }

    /// [`ModelExecutor::load`] with a shared specification.
    pub fn with_spec(
        model: &Model,
        spec: Arc<ModelSpec>,
        placement: Placement,
    ) -> Result<ModelExecutor, ExecutorError> {
        let network = spec.manifest().architecture.network();
        Ok(ModelExecutor {
            net: InferenceNet::new(&model.weights()?, &network, placement)?,
            method: ProtoSeg::default(),
            spec,
        })
    }

    /// An executor for another thread, with the weights of a model that is loaded already.
    pub fn sharing(net: &InferenceNet, spec: Arc<ModelSpec>) -> ModelExecutor {
        ModelExecutor {
            net: net.share(),
            method: ProtoSeg::default(),
            spec,
        }
    }

    /// The network, for [`ModelExecutor::sharing`].
    pub fn share_net(&self) -> InferenceNet {
        self.net.share()
    }

    /// The model without its network.
    pub fn spec(&self) -> &Arc<ModelSpec> {
        &self.spec
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.spec.manifest()
    }

    /// The content hash of the model's folder.
    pub fn hash(&self) -> &str {
        self.spec.hash()
    }

    /// The distribution of mu that thresholds come from, if the model has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.spec.calibration()
    }

    /// [`ModelSpec::prepare`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, image: &Image) -> Result<PreparedImage, ExecutorError> {
        self.spec.prepare(image.clone())
    }

    /// [`ModelSpec::decide`].
    pub fn decide(&self, segmentation: &Segmentation, policy: &Policy) -> Decision {
        self.spec.decide(segmentation, policy)
    }

    /// Segments and scores images of one size. Batch-invariant: an image's result does not depend on the rest of the batch.
    ///
    /// # Errors
    /// Images of different sizes, or libtorch failing (out of memory).
    pub fn segment(&self, images: &[&PreparedImage]) -> Result<Vec<Segmentation>, ExecutorError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        self.score(&self.forward(images, &[])?)
    }

    /// Segments one image and keeps the feature maps of mu's layers and of `layers` for interpretation.
    ///
    /// # Errors
    /// As [`ModelExecutor::segment`], or a layer that does not exist.
    pub fn interpret(
        &self,
        image: &PreparedImage,
        layers: &[usize],
    ) -> Result<Interpretation, ExecutorError> {
        let forward = self.forward(&[image], layers)?;
        self.interpret_forward(forward)
    }

    /// The forward pass of [`ModelExecutor::segment`], with the taps of mu's layers and of `layers`.
    ///
    /// # Errors
    /// As [`ModelExecutor::segment`], or an empty batch.
    pub fn forward<'a>(
        &self,
        images: &[&'a PreparedImage],
        layers: &[usize],
    ) -> Result<Forward<'a>, ExecutorError> {
        let first = images.first().ok_or(ExecutorError::NoImage)?.size();
        let other = images
            .iter()
            .map(|image| image.size())
            .find(|&size| size != first);
        if let Some(other) = other {
            return Err(ExecutorError::MixedSizes { first, other });
        }
        let output = self
            .run(images, &self.taps(layers))
            .map_err(|error| error.or_memory(images.len(), first))?;
        Ok(Forward {
            images: images.to_vec(),
            output,
        })
    }

    /// [`ModelExecutor::forward`] of images that may differ in size, in one batch. Each result equals that of the image alone.
    ///
    /// # Errors
    /// As there.
    pub fn forward_bucket<'a>(
        &self,
        images: &[&'a PreparedImage],
        layers: &[usize],
    ) -> Result<Vec<Forward<'a>>, ExecutorError> {
        let first = images.first().ok_or(ExecutorError::NoImage)?.size();
        if images.iter().all(|image| image.size() == first) {
            return Ok(vec![self.forward(images, layers)?]);
        }
        let most = |axis: usize| images.iter().map(|image| image.size()[axis]).max().unwrap_or(0);
        let run = || -> Result<Vec<Forward<'a>>, ExecutorError> {
            let upload_one = |image: &&PreparedImage| {
                tensors::upload([image.pixels()].into_iter(), self.net.device())?.f_squeeze_dim(0)
            };
            let pixels: Result<Vec<Tensor>, _> = images.iter().map(upload_one).collect();
            let outputs = self.net.forward_bucket(&pixels?, &self.taps(layers))?;
            let forward = |(&image, mut output): (&&'a PreparedImage, Output)| {
                output.valid = validity(&[image], &output)?;
                Ok(Forward {
                    images: vec![image],
                    output,
                })
            };
            images.iter().zip(outputs).map(forward).collect()
        };
        run().map_err(|error| error.or_memory(images.len(), [most(0), most(1)]))
    }

    /// The layers of mu, then `layers`.
    fn taps(&self, layers: &[usize]) -> Vec<usize> {
        let mut taps = self.manifest().mu.layers.clone();
        taps.extend(layers);
        taps
    }

    /// The scoring step of [`ModelExecutor::segment`]: one result an image, in the order of the batch.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn score(&self, forward: &Forward<'_>) -> Result<Vec<Segmentation>, ExecutorError> {
        let score = || Ok(self.score_against(forward, &forward.reference()?)?.0);
        score().map_err(|error: ExecutorError| error.or_memory(forward.images.len(), forward.size()))
    }

    /// The scores of a batch of one image, with its taps for interpretation.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn interpret_forward(&self, forward: Forward<'_>) -> Result<Interpretation, ExecutorError> {
        let score = || {
            let reference = forward.reference()?;
            Ok((self.score_against(&forward, &reference)?, reference))
        };
        let ((mut segmentations, prototypes), reference) =
            score().map_err(|error: ExecutorError| error.or_memory(forward.images.len(), forward.size()))?;
        let numbers = self.manifest().mu.layers.iter().copied();
        Ok(Interpretation::new(
            segmentations.remove(0),
            forward.output,
            reference,
            numbers.zip(prototypes).collect(),
            self.method,
        ))
    }

    fn run(&self, images: &[&PreparedImage], layers: &[usize]) -> Result<Output, ExecutorError> {
        let pixels = tensors::upload(images.iter().map(|image| image.pixels()), self.net.device())?;
        let mut output = self.net.forward(&pixels, layers)?;
        output.valid = validity(images, &output)?;
        Ok(output)
    }

    /// The results, and the prototypes of each of mu's layers.
    fn score_against(
        &self,
        forward: &Forward<'_>,
        reference: &Prediction,
    ) -> Result<(Vec<Segmentation>, Vec<Prototypes>), ExecutorError> {
        let output = &forward.output;
        let numbers = &self.manifest().mu.layers;
        let (mut units, mut layers, mut prototypes) = (Vec::new(), Vec::new(), Vec::new());
        for number in numbers {
            let (layer_units, layer_scores, layer_prototypes) =
                self.method.units_and_score(&output.taps[number], reference)?;
            units.push(layer_units);
            layers.push(layer_scores);
            prototypes.push(layer_prototypes);
        }
        let probability = output.crop(&output.probability);
        let mut results = Vec::with_capacity(forward.images.len());
        for ((index, image), mean_sa) in forward.images.iter().enumerate().zip(mean_sa(&units)) {
            let mut probability = tensors::to_array(&probability.f_get(index as i64)?)?;
            let confidence_in = |probability: &Array3<f32>, labels: &Array2<u8>| match mean_sa.fault {
                Some(Fault::NotFinite) => Confidence::NOT_FINITE,
                _ => Confidence::new(probability, labels),
            };
            // The quality score was calibrated on the prepared grid, so it is computed there, before the mask is restored.
            let mut mask = labels(&probability);
            if let Some(valid) = &image.prepared.valid {
                mask.zip_mut_with(valid, |label, &valid| *label *= u8::from(valid > 0));
            }
            let mut confidence = confidence_in(&probability, &mask);
            let score = self
                .spec
                .score()
                .map(|score| quality_score(score, &mean_sa, &mask, confidence));
            if image.prepared.has_moved() {
                probability = image.prepared.restore_probability(probability);
                mask = labels(&probability);
                confidence = confidence_in(&probability, &mask);
            }
            let layers =
                (numbers.iter().zip(&units).zip(&layers)).map(|((&layer, units), scores)| LayerScore {
                    layer,
                    sa_score: scores[index],
                    mean_unit_sa_score: units.image(index).iter().sum::<f64>() / units.channels as f64,
                });
            results.push(Segmentation {
                probability,
                labels: mask,
                mean_sa,
                confidence,
                score,
                layers: layers.collect(),
                input_in_range: image.in_range,
            });
        }
        Ok((results, prototypes))
    }
}

/// The quality score of an image, from its features on the prepared grid.
fn quality_score(
    score: &ScoreCalibration,
    mean_sa: &MeanSa,
    labels: &Array2<u8>,
    confidence: Confidence,
) -> Score {
    let without_estimate = |value| Score {
        value,
        estimated_dice: None,
    };
    match mean_sa.fault {
        Some(Fault::NotFinite) => return without_estimate(f64::NAN),
        Some(Fault::EmptyPrediction | Fault::FullPrediction) => return without_estimate(0.0),
        None => {}
    }
    let value = score.fitted.score(&FeatureVector {
        units: &mean_sa.units,
        confidence,
        shape: Shape::new(labels),
    });
    Score {
        value,
        estimated_dice: score.estimated_dice.as_ref().and_then(|map| map.estimate(value)),
    }
}

impl Forward<'_> {
    /// Takes the network's tensors, so that the caller decides where they are freed.
    pub fn into_output(self) -> Output {
        self.output
    }

    /// Height and width of its images on the prepared grid.
    fn size(&self) -> [usize; 2] {
        self.images[0].size()
    }

    fn reference(&self) -> Result<Prediction, ExecutorError> {
        let output = &self.output;
        Ok(Prediction::new(
            &output.probability,
            output.valid.as_ref(),
            MaskKind::Hard,
        )?)
    }
}

/// The network's validity mask without the padding added by the images' preprocessing.
fn validity(images: &[&PreparedImage], output: &Output) -> Result<Option<Tensor>, ExecutorError> {
    if images.iter().all(|image| image.prepared.valid.is_none()) {
        return Ok(output.valid.as_ref().map(Tensor::shallow_clone));
    }
    let mut shape = output.probability.size();
    shape[1] = 1;
    let all = Tensor::f_zeros(shape, (tch::Kind::Uint8, output.probability.device()))?;
    for (index, image) in images.iter().enumerate() {
        let mut own = output.crop(&all.f_get(index as i64)?.f_squeeze_dim(0)?);
        match &image.prepared.valid {
            Some(valid) => own.f_copy_(&tensors::from_mask(valid)?)?,
            None => {
                let _ = own.f_fill_(1)?;
            }
        }
    }
    Ok(Some(all))
}
