//! The outputs of a model, by name.

use sagate_core::executor::ModelSpec;
use sagate_core::nn::layers::{LAYER_COUNT, LAYERS};

use super::datatype::Datatype;

/// An output tensor. The first dimension of each is the batch dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Labels: 0 background, k object class k.
    Mask,
    /// The probability of each object class.
    Probability,
    /// The mean SA score.
    Mu,
    /// "ACCEPT" or "REJECT".
    Decision,
    /// The threshold on the gate's score; NaN if the model has no calibration.
    Threshold,
    /// The reasons of a rejection, separated by commas.
    Reason,
    /// The quality score.
    Score,
    /// The SAM of a layer, as labels.
    Sam(usize),
    /// The SA score of every layer.
    LayerSa,
}

/// The outputs of a request that names none.
pub(crate) const DEFAULT: [Output; 5] = [
    Output::Mask,
    Output::Mu,
    Output::Decision,
    Output::Threshold,
    Output::Reason,
];

impl Output {
    /// All outputs of a model.
    pub fn of(spec: &ModelSpec) -> Vec<Output> {
        let mut outputs = DEFAULT.to_vec();
        outputs.push(Output::Probability);
        outputs.extend(spec.score().is_some().then_some(Output::Score));
        outputs.push(Output::LayerSa);
        outputs.extend(LAYERS.iter().map(|layer| Output::Sam(layer.number)));
        outputs
    }

    /// Whether it needs the role `interpret`.
    pub fn is_interpretation(self) -> bool {
        matches!(self, Output::Sam(_) | Output::LayerSa)
    }

    pub fn name(self) -> String {
        match self {
            Output::Mask => "MASK".into(),
            Output::Probability => "PROBABILITY".into(),
            Output::Mu => "MU".into(),
            Output::Decision => "DECISION".into(),
            Output::Threshold => "THRESHOLD".into(),
            Output::Reason => "REASON".into(),
            Output::Score => "SCORE".into(),
            Output::Sam(layer) => format!("SAM_{layer}"),
            Output::LayerSa => "LAYER_SA".into(),
        }
    }

    pub fn datatype(self) -> Datatype {
        match self {
            Output::Mask | Output::Sam(_) => Datatype::Uint8,
            Output::Probability => Datatype::Fp32,
            Output::Mu | Output::Threshold | Output::Score | Output::LayerSa => Datatype::Fp64,
            Output::Decision | Output::Reason => Datatype::Bytes,
        }
    }

    /// The shape for one image of a model with so many object classes; -1: any.
    pub fn sides(self, classes: usize) -> Vec<i64> {
        match self {
            Output::Mask | Output::Sam(_) => vec![-1, -1],
            Output::Probability => vec![classes as i64, -1, -1],
            Output::LayerSa => vec![LAYER_COUNT as i64],
            Output::Mu | Output::Threshold | Output::Score | Output::Decision | Output::Reason => vec![1],
        }
    }
}
