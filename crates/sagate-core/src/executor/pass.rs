//! A loaded model, and one pass of a batch through it.

use std::sync::Arc;

use ndarray::{Array2, Array3};
use protoseg::{Fault, MaskKind, MeanSa, Prediction, ProtoSeg, Prototypes, mean_sa};
use tch::Tensor;

use super::contract::{ModelSpec, PreparedImage};
use super::error::ExecutorError;
use super::interpretation::Interpretation;
use super::segmentation::{LayerScore, Score, Segmentation, labels};
use super::tensors;
use crate::gate::{Calibration, Confidence, Decision, FeatureVector, Policy, ScoreCalibration, Shape};
use crate::imaging::Image;
use crate::model::{Manifest, Model};
use crate::nn::inference::{InferenceNet, Output};
use crate::nn::placement::Placement;

/// A model, loaded: network, scores and gate in one. Belongs to the thread that made it.
pub struct ModelExecutor {
    contract: Arc<ModelSpec>,
    net: InferenceNet,
    method: ProtoSeg,
}

/// What the network gave for a batch, not yet scored.
pub struct Forward<'a> {
    images: Vec<&'a PreparedImage>,
    output: Output,
}

impl ModelExecutor {
    /// Loads a model onto a device, in single precision unless `placement` says otherwise.
    ///
    /// # Errors
    /// Weights or a calibration that are damaged or do not fit the manifest.
    pub fn load(model: &Model, placement: impl Into<Placement>) -> Result<ModelExecutor, ExecutorError> {
        ModelExecutor::with_contract(model, Arc::new(ModelSpec::new(model)?), placement.into())
    }

    /// [`ModelExecutor::load`] with a contract that others share.
    pub fn with_contract(
        model: &Model,
        contract: Arc<ModelSpec>,
        placement: Placement,
    ) -> Result<ModelExecutor, ExecutorError> {
        let network = contract.manifest().architecture.network();
        Ok(ModelExecutor {
            net: InferenceNet::new(&model.weights()?, &network, placement)?,
            method: ProtoSeg::default(),
            contract,
        })
    }

    /// Another pass of a model that is loaded already, for another thread.
    pub fn sharing(net: &InferenceNet, contract: Arc<ModelSpec>) -> ModelExecutor {
        ModelExecutor {
            net: net.share(),
            method: ProtoSeg::default(),
            contract,
        }
    }

    /// The network, for [`ModelExecutor::sharing`].
    pub fn share_net(&self) -> InferenceNet {
        self.net.share()
    }

    /// What is known of the model without its network.
    pub fn contract(&self) -> &Arc<ModelSpec> {
        &self.contract
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        self.contract.manifest()
    }

    /// The content hash of the model's folder.
    pub fn hash(&self) -> &str {
        self.contract.hash()
    }

    /// The distribution of mu that thresholds come from, if the model has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.contract.calibration()
    }

    /// [`ModelSpec::prepare`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, image: &Image) -> Result<PreparedImage, ExecutorError> {
        self.contract.prepare(image.clone())
    }

    /// [`ModelSpec::decide`].
    pub fn decide(&self, segmentation: &Segmentation, policy: &Policy) -> Decision {
        self.contract.decide(segmentation, policy)
    }

    /// Segments and scores images of one size. Nothing of an image's result depends on its company.
    ///
    /// # Errors
    /// Images of different sizes, or libtorch failing (out of memory).
    pub fn segment(&self, images: &[&PreparedImage]) -> Result<Vec<Segmentation>, ExecutorError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        self.score(&self.forward(images, &[])?)
    }

    /// Segments one image and keeps every layer's feature map for a closer look.
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

    /// The network's part of [`ModelExecutor::segment`], with the taps of mu's layers and of `layers`.
    ///
    /// # Errors
    /// As [`ModelExecutor::segment`]; no image at all.
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

    /// [`ModelExecutor::forward`] of images that may differ in size, in one batch: what it gives for each is what it gives for the image alone.
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
            let alone = |image: &&PreparedImage| {
                tensors::upload([image.pixels()].into_iter(), self.net.device())?.f_squeeze_dim(0)
            };
            let pixels: Result<Vec<Tensor>, _> = images.iter().map(alone).collect();
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

    /// The layers of mu, and these.
    fn taps(&self, layers: &[usize]) -> Vec<usize> {
        let mut taps = self.manifest().mu.layers.clone();
        taps.extend(layers);
        taps
    }

    /// The scores' part of [`ModelExecutor::segment`]: one result an image, in their order.
    ///
    /// # Errors
    /// libtorch failing.
    pub fn score(&self, forward: &Forward<'_>) -> Result<Vec<Segmentation>, ExecutorError> {
        let score = || Ok(self.score_against(forward, &forward.reference()?)?.0);
        score().map_err(|error: ExecutorError| error.or_memory(forward.images.len(), forward.size()))
    }

    /// The scores of a batch of one, and its taps for a closer look.
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
            let (of_units, scores, of_classes) =
                self.method.units_and_score(&output.taps[number], reference)?;
            units.push(of_units);
            layers.push(scores);
            prototypes.push(of_classes);
        }
        let probability = output.crop(&output.probability);
        let mut results = Vec::with_capacity(forward.images.len());
        for ((index, image), mean_sa) in forward.images.iter().enumerate().zip(mean_sa(&units)) {
            let mut probability = tensors::to_array(&probability.f_get(index as i64)?)?;
            let confidence_in = |probability: &Array3<f32>, labels: &Array2<u8>| match mean_sa.fault {
                Some(Fault::NotFinite) => Confidence::NOT_FINITE,
                _ => Confidence::new(probability, labels),
            };
            // First on the prepared grid, where the rehearsal was.
            let mut own = labels(&probability);
            if let Some(valid) = &image.prepared.valid {
                own.zip_mut_with(valid, |label, &valid| *label *= u8::from(valid > 0));
            }
            let mut confidence = confidence_in(&probability, &own);
            let score = self
                .contract
                .score()
                .map(|score| rehearsed(score, &mean_sa, &own, confidence));
            if image.prepared.has_moved() {
                probability = image.prepared.restore_probability(probability);
                own = labels(&probability);
                confidence = confidence_in(&probability, &own);
            }
            let layers =
                (numbers.iter().zip(&units).zip(&layers)).map(|((&layer, units), scores)| LayerScore {
                    layer,
                    sa_score: scores[index],
                    mean_unit_sa_score: units.of(index).iter().sum::<f64>() / units.channels as f64,
                });
            results.push(Segmentation {
                probability,
                labels: own,
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

/// The rehearsed score of an image, from what was read of it on the prepared grid.
fn rehearsed(
    score: &ScoreCalibration,
    mean_sa: &MeanSa,
    labels: &Array2<u8>,
    confidence: Confidence,
) -> Score {
    let none = |value| Score {
        value,
        expected_dice: None,
    };
    match mean_sa.fault {
        Some(Fault::NotFinite) => return none(f64::NAN),
        Some(Fault::EmptyPrediction | Fault::FullPrediction) => return none(0.0),
        None => {}
    }
    let value = score.fitted.of(&FeatureVector {
        units: &mean_sa.units,
        confidence,
        shape: Shape::new(labels),
    });
    Score {
        value,
        expected_dice: score.expected_dice.as_ref().and_then(|map| map.of(value)),
    }
}

impl Forward<'_> {
    /// The network's tensors, for whoever frees them.
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

/// The network's validity mask, less the padding that the images' own preparation added.
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
