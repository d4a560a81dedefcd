//! Measurements of one forward pass.

use ndarray::{Array2, Array3, Axis};
use protoseg::{Confusion, MaskKind, Prediction, ProtoSeg, mean_sa};
use sagate_core::gate::{Confidence, Shape};
use sagate_core::nn::inference::{InferenceNet, Output};
use sagate_core::nn::layers::LAYER_COUNT;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use super::certainty::Certainty;
use super::tensors::{pixels, sums, truth};
use crate::study::error::StudyError;
use crate::train::Sample;

/// The layers whose units make mu (eq. 12).
pub(in crate::study) const MU_LAYERS: [usize; 2] = [17, 18];

/// The bottleneck's last layer, whose mean over the image is the feature of Mahalanobis's distance.
const POOLED_LAYER: usize = 10;

/// The measurements of one pass on an image of one object class, on the prepared grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnePass {
    /// The network's output against the truth.
    pub output: Confusion,
    /// The mean SA score; 0 where the output is empty or full.
    pub mu: f64,
    /// SA score of each unit of layers 17 and 18, in their order.
    pub units: Vec<f64>,
    /// The same with prototypes by the network's probabilities instead of its mask.
    pub soft_units: Vec<f64>,
    /// The SAM of each of the 18 layers.
    pub layers: Vec<LayerCounts>,
    /// ProtoSeg with the image's own channels as features (Table 3), against the truth; prototypes by the output.
    pub input: Confusion,
    /// The same with prototypes by the truth.
    pub input_by_truth: Confusion,
    /// Statistics of the probability map.
    pub certainty: Certainty,
    /// The two confidences that the service returns.
    pub confidence: Confidence,
    /// The shape of the output.
    pub shape: Shape,
    /// Prototypes of the units (eq. 6): of layers 17 and 18, each the background's and then the object's; 0 where there is none.
    pub prototypes: Vec<f32>,
    /// Mean of each channel of layer 10.
    pub pooled: Vec<f32>,
}

/// Confusion of a layer's SAM, at the image's resolution, with the output and with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCounts {
    /// Against the network's output: the SA score without ground truth.
    pub output: Confusion,
    /// Against the truth.
    pub truth: Confusion,
}

/// Runs a network over samples of one size without padding and measures each.
///
/// # Errors
/// When the samples do not fit the network or each other, or libtorch fails.
pub fn one_pass(
    net: &InferenceNet,
    samples: &[&Sample],
    temperature: f64,
) -> Result<Vec<OnePass>, StudyError> {
    let _no_grad = tch::no_grad_guard();
    let (input, truth) = (pixels(samples, net.device())?, truth(samples, net.device())?);
    let every: Vec<usize> = (1..=LAYER_COUNT).collect();
    let output = net.forward(&input, &every)?;
    let method = ProtoSeg::default();
    let valid = output.valid.as_ref();
    let reference = Prediction::new(&output.probability, valid, MaskKind::Hard)?;
    let soft = Prediction::new(&output.probability, valid, MaskKind::Soft)?;

    let labels = output.crop(reference.labels());
    let mut layers = vec![Vec::with_capacity(LAYER_COUNT); samples.len()];
    for tap in output.taps.values() {
        let sam = output.crop(&method.layer(tap, &reference)?.sam);
        let counts = confusions(&sam, &labels)?
            .into_iter()
            .zip(confusions(&sam, &truth)?);
        for (layers, (output, truth)) in layers.iter_mut().zip(counts) {
            layers.push(LayerCounts { output, truth });
        }
    }
    let units = |reference: &Prediction| -> Result<_, StudyError> {
        let (mut units, mut prototypes) = (Vec::new(), Vec::new());
        for number in &MU_LAYERS {
            let (layer_units, _, layer_prototypes) =
                method.units_and_score(&output.taps[number], reference)?;
            units.push(layer_units);
            prototypes.push(layer_prototypes);
        }
        Ok((mean_sa(&units), prototypes))
    };
    let ((hard_units, prototypes), (soft_units, _)) = (units(&reference)?, units(&soft)?);
    let by_output = Prediction::from_labels(&labels.f_contiguous()?, 1, None)?;
    let by_truth = Prediction::from_labels(&truth, 1, None)?;
    let input_confusions = |reference: &Prediction| -> Result<_, StudyError> {
        Ok(confusions(&method.layer(&input, reference)?.sam, &truth)?)
    };
    let (input_counts, input_by_truth) = (input_confusions(&by_output)?, input_confusions(&by_truth)?);
    let outputs = confusions(&labels, &truth)?;
    let probabilities = probabilities(&output)?;
    let pooled = output.taps[&POOLED_LAYER].f_mean_dim([2, 3].as_slice(), false, Kind::Float)?;

    let mut records = Vec::with_capacity(samples.len());
    for (index, (layers, probability)) in layers.into_iter().zip(probabilities).enumerate() {
        let labels = probability.mapv(|p| u8::from(p > 0.5));
        records.push(OnePass {
            output: outputs[index],
            mu: hard_units[index].mu,
            units: hard_units[index].units.clone(),
            soft_units: soft_units[index].units.clone(),
            layers,
            input: input_counts[index],
            input_by_truth: input_by_truth[index],
            certainty: Certainty::new(probability.view(), temperature),
            shape: Shape::new(&labels),
            confidence: Confidence::new(&probability.insert_axis(Axis(0)), &labels),
            prototypes: prototypes
                .iter()
                .flat_map(|layer| [layer.prototype(index, 0), layer.prototype(index, 1)].concat())
                .map(|value| if value.is_finite() { value as f32 } else { 0.0 })
                .collect(),
            pooled: Vec::<f32>::try_from(pooled.f_get(index as i64)?.f_to_device(Device::Cpu)?)?,
        });
    }
    Ok(records)
}

/// The network's own output on a sample, `[H, W]`: 1 where it sees the object.
pub(in crate::study) fn own_mask(net: &InferenceNet, sample: &Sample) -> Result<Array2<u8>, StudyError> {
    let _no_grad = tch::no_grad_guard();
    let output = net.forward(&pixels(&[sample], net.device())?, &[])?;
    let mut maps = probabilities(&output)?;
    Ok(maps.remove(0).mapv(|p| u8::from(p > 0.5)))
}

/// Counts of `map` against `reference`, both `[B, H, W]` uint8, an image at a time.
pub(in crate::study) fn confusions(map: &Tensor, reference: &Tensor) -> Result<Vec<Confusion>, TchError> {
    let (map, reference) = (map.f_eq(1)?, reference.f_eq(1)?);
    let both = sums(&map.f_logical_and(&reference)?)?;
    let (sam, object) = (sums(&map)?, sums(&reference)?);
    let pixels = map.size()[1..].iter().product::<i64>() as u64;
    Ok((0..both.len())
        .map(|image| Confusion {
            both: both[image] as u64,
            sam: sam[image] as u64,
            reference: object[image] as u64,
            pixels,
        })
        .collect())
}

/// The probability of "object" `[H, W]` of each image.
pub(super) fn probabilities(output: &Output) -> Result<Vec<Array2<f32>>, TchError> {
    let map = output.crop(&output.probability).f_contiguous()?;
    let [batch, height, width] = [0, 2, 3].map(|axis| map.size()[axis] as usize);
    let values = Vec::<f32>::try_from(map.f_view([-1])?.f_to_device(Device::Cpu)?)?;
    let maps =
        Array3::from_shape_vec((batch, height, width), values).expect("as many values as the size says");
    Ok(maps.outer_iter().map(|map| map.to_owned()).collect())
}
