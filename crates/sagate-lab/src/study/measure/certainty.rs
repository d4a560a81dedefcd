//! Scores of the probability map alone: the baselines that need a single pass.

use ndarray::{Array2, ArrayView2, s};

/// Confidence of a network in one image, by several statistics of its probability map. Entropies are in nats, 0 to ln 2.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Certainty {
    /// Mean over all pixels of the likelier class's probability (maximum softmax probability), 0.5 to 1.
    pub max_softmax: f64,
    /// The same after scaling the logits by a temperature fitted on validation images.
    pub scaled: f64,
    /// Mean predictive entropy of all pixels.
    pub entropy: f64,
    /// Mean over the object's pixels; ln 2, the maximum, where there is none.
    pub entropy_object: f64,
    /// Mean over the pixels more than two pixels away from the mask's boundary; ln 2 where there is none.
    pub entropy_inner: f64,
    /// Highest mean over a square patch (an eighth of the shorter side, any position).
    pub entropy_patch: f64,
    /// Share of the pixels that are object, 0 to 1.
    pub foreground: f64,
}

/// Pixels nearer to the mask's boundary than this are uncertain in any network.
const BOUNDARY: usize = 2;

impl Certainty {
    /// From the probability of "object" `[height, width]`; `temperature` divides the logits for [`Certainty::scaled`].
    pub fn new(probability: ArrayView2<'_, f32>, temperature: f64) -> Certainty {
        let probability = probability.mapv(f64::from);
        let object = probability.mapv(|p| p > 0.5);
        let entropy = probability.mapv(entropy);
        let pixels = probability.len() as f64;
        let mean_where = |kept: &Array2<bool>| {
            let kept = entropy.iter().zip(kept).filter(|(_, kept)| **kept);
            let (sum, count) = kept.fold((0.0, 0.0), |(sum, count), (entropy, _)| {
                (sum + entropy, count + 1.0)
            });
            if count > 0.0 {
                sum / count
            } else {
                std::f64::consts::LN_2
            }
        };
        let sure = |p: f64| p.max(1.0 - p);
        Certainty {
            max_softmax: probability.iter().map(|&p| sure(p)).sum::<f64>() / pixels,
            scaled: probability
                .iter()
                .map(|&p| sure(scale(p, temperature)))
                .sum::<f64>()
                / pixels,
            entropy: entropy.sum() / pixels,
            entropy_object: mean_where(&object),
            entropy_inner: mean_where(&inner(&object)),
            entropy_patch: worst_patch(&entropy),
            foreground: object.iter().filter(|object| **object).count() as f64 / pixels,
        }
    }
}

/// Entropy of a Bernoulli variable with probability `p`, in nats.
fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// The probability whose logit is `1 / temperature` of that of `p`.
pub(super) fn scale(p: f64, temperature: f64) -> f64 {
    let p = p.clamp(1e-7, 1.0 - 1e-7);
    1.0 / (1.0 + (-(p / (1.0 - p)).ln() / temperature).exp())
}

/// Pixels around which all within [`BOUNDARY`] rows and columns belong to the same side.
fn inner(object: &Array2<bool>) -> Array2<bool> {
    let (height, width) = object.dim();
    Array2::from_shape_fn((height, width), |(row, column)| {
        let rows = row.saturating_sub(BOUNDARY)..(row + BOUNDARY + 1).min(height);
        let columns = column.saturating_sub(BOUNDARY)..(column + BOUNDARY + 1).min(width);
        let around = object.slice(s![rows, columns]);
        around.iter().all(|&other| other == object[[row, column]])
    })
}

/// The highest mean over a square patch.
fn worst_patch(map: &Array2<f64>) -> f64 {
    let (height, width) = map.dim();
    let side = (height.min(width) / 8).max(1);
    // An integral image gives a patch's sum in four reads.
    let mut sums = Array2::<f64>::zeros((height + 1, width + 1));
    for row in 0..height {
        for column in 0..width {
            sums[[row + 1, column + 1]] =
                map[[row, column]] + sums[[row, column + 1]] + sums[[row + 1, column]] - sums[[row, column]];
        }
    }
    let mut worst = 0.0_f64;
    for row in 0..=height - side {
        for column in 0..=width - side {
            let (down, right) = (row + side, column + side);
            let sum = sums[[down, right]] - sums[[row, right]] - sums[[down, column]] + sums[[row, column]];
            worst = worst.max(sum);
        }
    }
    worst / (side * side) as f64
}
