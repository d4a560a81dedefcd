//! The forward pass of a network over one image: output, feature maps and SAMs.

use ndarray::Array2;
use protoseg::{MaskKind, Prediction, ProtoSeg};
use sagate_core::nn::inference::{InferenceNet, Output};
use tch::{TchError, Tensor};

use crate::study::error::StudyError;
use crate::study::measure::pixels;
use crate::train::Sample;

/// The forward pass over an image that needs no padding.
pub(super) struct ForwardPass {
    input: Tensor,
    output: Output,
    reference: Prediction,
}

/// One unit of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub layer: usize,
    /// From 0.
    pub index: usize,
    /// Its SA score against the output.
    pub score: f64,
}

impl ForwardPass {
    /// Runs a network, keeping the feature maps of some layers.
    pub fn new(net: &InferenceNet, sample: &Sample, layers: &[usize]) -> Result<ForwardPass, StudyError> {
        let _no_grad = tch::no_grad_guard();
        let input = pixels(&[sample], net.device())?;
        let output = net.forward(&input, layers)?;
        let reference = Prediction::new(&output.probability, output.valid.as_ref(), MaskKind::Hard)?;
        Ok(ForwardPass {
            input,
            output,
            reference,
        })
    }

    /// The probability of "object" `[H, W]`.
    pub fn probability(&self) -> Result<Array2<f32>, StudyError> {
        Ok(plane(&self.output.probability.f_get(0)?.f_get(0)?)?)
    }

    /// The mask `[H, W]`.
    pub fn mask(&self) -> Result<Array2<u8>, StudyError> {
        Ok(labels(&self.reference.labels().f_get(0)?)?)
    }

    /// A layer's probability map `[H, W]`.
    pub fn layer(&self, layer: usize) -> Result<Array2<f32>, StudyError> {
        let sam = ProtoSeg::default().layer(&self.output.taps[&layer], &self.reference)?;
        Ok(plane(&sam.probability.f_get(0)?.f_get(0)?)?)
    }

    /// The SAM `[H, W]` of the image's own channels, with prototypes by the output: S_x.
    pub fn separation(&self) -> Result<Array2<u8>, StudyError> {
        let sam = ProtoSeg::default().layer(&self.input, &self.reference)?.sam;
        Ok(labels(&sam.f_get(0)?)?)
    }

    /// Every unit of a layer.
    pub fn units(&self, layer: usize) -> Result<Vec<Unit>, StudyError> {
        let scores = ProtoSeg::default()
            .units(&self.output.taps[&layer], &self.reference)?
            .scores;
        let unit = |(index, score)| Unit { layer, index, score };
        Ok(scores.into_iter().enumerate().map(unit).collect())
    }

    /// A unit's feature map, at its layer's resolution.
    pub fn response(&self, unit: Unit) -> Result<Array2<f32>, StudyError> {
        let feature = &self.output.taps[&unit.layer];
        Ok(plane(&feature.f_get(0)?.f_get(unit.index as i64)?)?)
    }

    /// A unit's SAM `[H, W]`.
    pub fn unit_sam(&self, unit: Unit) -> Result<Array2<u8>, StudyError> {
        let feature = &self.output.taps[&unit.layer];
        let (_, maps) = ProtoSeg::default().units_and_maps(feature, &self.reference)?;
        Ok(labels(&maps.sams(0, 1, &[unit.index])?.f_get(0)?)?)
    }

    /// The average `[H, W]` of the SAMs of all units of a layer.
    pub fn average(&self, layer: usize) -> Result<Array2<f32>, StudyError> {
        let feature = &self.output.taps[&layer];
        let (_, maps) = ProtoSeg::default().units_and_maps(feature, &self.reference)?;
        Ok(plane(&maps.average(0, 1)?)?)
    }
}

fn plane(map: &Tensor) -> Result<Array2<f32>, TchError> {
    let [height, width] = [0, 1].map(|axis| map.size()[axis] as usize);
    let flat = map
        .f_to_device(tch::Device::Cpu)?
        .f_to_kind(tch::Kind::Float)?
        .f_contiguous()?
        .f_view([-1])?;
    let values = Vec::<f32>::try_from(flat)?;
    Ok(Array2::from_shape_vec((height, width), values).expect("as many values as the size says"))
}

fn labels(map: &Tensor) -> Result<Array2<u8>, TchError> {
    Ok(plane(map)?.mapv(|label| label as u8))
}
