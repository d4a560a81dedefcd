//! A loaded model, and one pass of a batch through it.

use tch::{Device, Tensor};

use super::error::EngineError;
use super::interpretation::Interpretation;
use super::segmentation::{Segmentation, labels};
use super::tensors;
use crate::gate::{Calibration, Decision, Policy, decide};
use crate::imaging::Image;
use crate::imaging::preprocess::{Prepared, prepare};
use crate::model::{Manifest, Model};
use crate::nn::inference::{InferenceNet, Output};
use crate::protoseg::{MaskKind, ProtoSeg, Reference, mean_sa};

/// A model, loaded: preprocessing, network, scores and gate in one. Belongs to the thread that made it.
pub struct Pass {
    manifest: Manifest,
    hash: String,
    net: InferenceNet,
    method: ProtoSeg,
    calibration: Option<Calibration>,
}

/// An image in the form that the model takes.
#[derive(Debug, Clone)]
pub struct Ready {
    pub(super) prepared: Prepared,
    /// Whether the image lies within what the model is for.
    pub in_range: bool,
}

impl Ready {
    /// Height and width on the prepared grid: images of one size fit into one batch.
    pub fn size(&self) -> [usize; 2] {
        self.prepared.size()
    }
}

impl Pass {
    /// Loads a model onto a device.
    ///
    /// # Errors
    /// Weights or a calibration that are damaged or do not fit the manifest.
    pub fn load(model: &Model, device: Device) -> Result<Pass, EngineError> {
        let manifest = model.manifest().clone();
        let net = InferenceNet::new(&model.weights()?, &manifest.architecture.network(), device)?;
        let calibration = model.calibration()?;
        Ok(Pass {
            manifest,
            hash: model.hash().into(),
            net,
            method: ProtoSeg::default(),
            calibration,
        })
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content hash of the model's folder.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The distribution of mu that thresholds come from, if the model has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Brings an image into the form that the model takes, by the manifest's steps.
    ///
    /// # Errors
    /// A wrong number of channels, or a step that cannot be done on this image.
    pub fn prepare(&self, image: &Image) -> Result<Ready, EngineError> {
        let (found, expected) = (image.pixels.dim().0, &self.manifest.input.channels);
        if found != expected.len() {
            let model = self.manifest.reference();
            return Err(EngineError::Channels {
                found,
                model,
                expected: expected.clone(),
            });
        }
        Ok(Ready {
            prepared: prepare(image, &self.manifest.preprocessing)?,
            in_range: self.manifest.input.in_range(image),
        })
    }

    /// Segments and scores images of one size. Nothing of an image's result depends on its company.
    ///
    /// # Errors
    /// Images of different sizes, or libtorch failing (out of memory).
    pub fn segment(&self, images: &[&Ready]) -> Result<Vec<Segmentation>, EngineError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let (output, reference) = self.forward(images, &self.manifest.mu.layers)?;
        self.assess(images, &output, &reference)
    }

    /// Segments one image and keeps every layer's feature map for a closer look.
    ///
    /// # Errors
    /// As [`Pass::segment`], or a layer that does not exist.
    pub fn interpret(&self, image: &Ready, layers: &[usize]) -> Result<Interpretation, EngineError> {
        let mut wanted = self.manifest.mu.layers.clone();
        wanted.extend(layers);
        let (output, reference) = self.forward(&[image], &wanted)?;
        let segmentation = self.assess(&[image], &output, &reference)?.remove(0);
        Ok(Interpretation::new(segmentation, output, reference, self.method))
    }

    /// What the gate says of a segmentation.
    pub fn decide(&self, segmentation: &Segmentation, policy: &Policy) -> Decision {
        decide(&segmentation.evidence(), self.calibration(), policy)
    }

    fn forward(&self, images: &[&Ready], layers: &[usize]) -> Result<(Output, Reference), EngineError> {
        let first = images[0].size();
        if let Some(other) = images
            .iter()
            .map(|image| image.size())
            .find(|&size| size != first)
        {
            return Err(EngineError::MixedSizes { first, other });
        }
        self.forward_same(images, layers).map_err(|error| {
            if error.is_memory() {
                EngineError::OutOfMemory {
                    images: images.len(),
                    size: first,
                }
            } else {
                error
            }
        })
    }

    /// [`Pass::forward`] of images that are of one size.
    fn forward_same(&self, images: &[&Ready], layers: &[usize]) -> Result<(Output, Reference), EngineError> {
        let pixels: Result<Vec<Tensor>, _> = images
            .iter()
            .map(|image| tensors::from_array(&image.prepared.pixels))
            .collect();
        let mut output = self.net.forward(&Tensor::f_stack(&pixels?, 0)?, layers)?;
        output.valid = validity(images, &output)?;
        let reference = Reference::new(&output.probability, output.valid.as_ref(), MaskKind::Hard)?;
        Ok((output, reference))
    }

    fn assess(
        &self,
        images: &[&Ready],
        output: &Output,
        reference: &Reference,
    ) -> Result<Vec<Segmentation>, EngineError> {
        let units: Result<Vec<_>, _> = self
            .manifest
            .mu
            .layers
            .iter()
            .map(|layer| self.method.units(&output.taps[layer], reference))
            .collect();
        let probability = output.crop(&output.probability);
        let mut results = Vec::with_capacity(images.len());
        for ((index, image), mean_sa) in images.iter().enumerate().zip(mean_sa(&units?)) {
            let probability = tensors::to_array(&probability.f_get(index as i64)?)?;
            let probability = image.prepared.restore_probability(probability.view());
            let labels = labels(&probability);
            results.push(Segmentation {
                probability,
                labels,
                mean_sa,
                input_in_range: image.in_range,
            });
        }
        Ok(results)
    }
}

/// The network's validity mask, less the padding that the images' own preparation added.
fn validity(images: &[&Ready], output: &Output) -> Result<Option<Tensor>, EngineError> {
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
