//! What a model gives, by name.

use sagate_core::executor::ModelSpec;
use sagate_core::nn::layers::{LAYER_COUNT, LAYERS};

use super::datatype::Datatype;

/// A tensor that may be asked for. The first side of each is that of the request's images.
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
    /// What the judged score was held against; NaN where the model has no calibration.
    Threshold,
    /// Everything that spoke against the image, with commas in between.
    Reason,
    /// The rehearsed score.
    Score,
    /// The SAM of a layer, as labels.
    Sam(usize),
    /// The SA score of every layer.
    LayerSa,
}

/// What is given when a request asks for nothing.
pub(crate) const DEFAULT: [Output; 5] = [
    Output::Mask,
    Output::Mu,
    Output::Decision,
    Output::Threshold,
    Output::Reason,
];

impl Output {
    /// Everything that a model gives.
    pub fn of(contract: &ModelSpec) -> Vec<Output> {
        let mut outputs = DEFAULT.to_vec();
        outputs.push(Output::Probability);
        outputs.extend(contract.score().is_some().then_some(Output::Score));
        outputs.push(Output::LayerSa);
        outputs.extend(LAYERS.iter().map(|layer| Output::Sam(layer.number)));
        outputs
    }

    /// Whether it looks into the network, which takes the role that `Interpret` does.
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

    /// The sides of one image's part, of a model with so many object classes; -1: any.
    pub fn sides(self, classes: usize) -> Vec<i64> {
        match self {
            Output::Mask | Output::Sam(_) => vec![-1, -1],
            Output::Probability => vec![classes as i64, -1, -1],
            Output::LayerSa => vec![LAYER_COUNT as i64],
            Output::Mu | Output::Threshold | Output::Score | Output::Decision | Output::Reason => vec![1],
        }
    }
}
