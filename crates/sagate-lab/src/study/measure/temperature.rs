//! Temperature scaling.

use sagate_core::nn::inference::InferenceNet;

use super::certainty::scale;
use super::one_pass::probabilities;
use super::tensors::pixels;
use crate::study::error::StudyError;
use crate::train::Sample;

/// Search range of the temperature.
const RANGE: [f64; 2] = [0.25, 8.0];

/// The temperature that the logits are to be divided by so that the negative log likelihood of the samples' truth is least (Guo et
/// al. 2017), found by golden section on its logarithm to a thousandth.
///
/// # Errors
/// When the samples do not fit the network, or libtorch fails.
pub fn fit_temperature(net: &InferenceNet, samples: &[Sample]) -> Result<f64, StudyError> {
    let mut pairs = Vec::new();
    for sample in samples {
        let output = net.forward(&pixels(&[sample], net.device())?, &[])?;
        for map in probabilities(&output)? {
            // Every other row and column suffices to fit one parameter.
            let near = map
                .indexed_iter()
                .filter(|((row, column), _)| row % 2 == 0 && column % 2 == 0);
            pairs.extend(near.map(|(at, &p)| (f64::from(p), sample.labels[at] > 0)));
        }
    }
    let loss = |logarithm: f64| {
        let likelihood = |&(p, object): &(f64, bool)| {
            let p = scale(p, logarithm.exp());
            if object { p } else { 1.0 - p }.max(1e-12).ln()
        };
        -pairs.iter().map(likelihood).sum::<f64>()
    };
    Ok(golden_section(loss, RANGE.map(f64::ln)).exp())
}

/// The minimum of a unimodal function between two ends, to a thousandth.
fn golden_section(f: impl Fn(f64) -> f64, [mut low, mut high]: [f64; 2]) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    while high - low > 1e-3 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if f(a) < f(b) { high = b } else { low = a }
    }
    (low + high) / 2.0
}
