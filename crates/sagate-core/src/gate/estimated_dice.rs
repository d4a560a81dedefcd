//! Estimated Dice: an isotonic map from the quality score to the mean Dice of images with that score.

use serde::{Deserialize, Serialize};

use super::evaluation::{Bootstrap, percentile};

/// The fewest images with ground truth that the map is fitted on.
pub const MIN_LABELLED: usize = 10;

/// Intervals between the knots, which lie at equally spaced quantiles of the scores.
const KNOTS: usize = 20;

/// Bootstrap draws for the intervals.
const DRAWS: usize = 400;

/// A non-decreasing map from a score to the estimated Dice, with 95 % intervals of the mean Dice (not of a single image's Dice).
///
/// Isotonic regression (pool adjacent violators; Ayer et al. 1955) of Dice on score. The intervals are bootstrap percentiles over images.
/// The map is stored at 21 quantiles of the scores and interpolated linearly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiceEstimator {
    /// By rising score; at least one.
    knots: Vec<Knot>,
}

/// The estimate at one score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knot {
    score: f64,
    #[serde(flatten)]
    dice: EstimatedDice,
}

/// The estimated mean Dice of images with one score. All values lie in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EstimatedDice {
    /// The estimate.
    pub value: f64,
    /// The lower end of the 95 % interval of the mean; the Dice of a single image scatters more widely.
    pub low: f64,
    /// The upper end of that interval.
    pub high: f64,
}

/// The score and true Dice of an image with ground truth, or of a perturbed copy of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledScore {
    /// Its score.
    pub score: f64,
    /// Its Dice against the ground truth, 0..=1.
    pub dice: f64,
    /// Index of the original image, shared by its perturbed copies.
    pub image: usize,
}

impl DiceEstimator {
    /// Fits the map to images with ground truth. `None` where they are fewer than [`MIN_LABELLED`] (copies not counted), or a value is
    /// not finite.
    pub fn fit(labelled: &[LabelledScore], seed: u64) -> Option<DiceEstimator> {
        let mut images: Vec<usize> = labelled.iter().map(|it| it.image).collect();
        images.sort_unstable();
        images.dedup();
        if images.len() < MIN_LABELLED || labelled.iter().any(|it| !(it.score + it.dice).is_finite()) {
            return None;
        }
        let mut labelled = labelled.to_vec();
        labelled.sort_by(|a, b| a.score.total_cmp(&b.score));
        let scores: Vec<f64> = labelled.iter().map(|it| it.score).collect();
        let mut knot_scores: Vec<f64> = (0..=KNOTS)
            .map(|knot| percentile(&scores, knot as f64 / KNOTS as f64))
            .collect();
        knot_scores.dedup();
        let full_fit = IsotonicFit::fit(&labelled, &vec![1; labelled.len()])?;
        let groups: Vec<usize> = labelled
            .iter()
            .map(|it| images.binary_search(&it.image).expect("every image is listed"))
            .collect();
        let bootstrap = Bootstrap::new(&groups, DRAWS, seed);
        let bootstrap_fits: Vec<IsotonicFit> = bootstrap
            .draws()
            .filter_map(|times| IsotonicFit::fit(&labelled, times))
            .collect();
        let knot = |score: f64| {
            let mut values: Vec<f64> = bootstrap_fits.iter().map(|fit| fit.evaluate(score)).collect();
            values.sort_by(f64::total_cmp);
            let value = full_fit.evaluate(score);
            Knot {
                score,
                dice: EstimatedDice {
                    value,
                    low: percentile(&values, 0.025).min(value),
                    high: percentile(&values, 0.975).max(value),
                },
            }
        };
        Some(DiceEstimator {
            knots: knot_scores.into_iter().map(knot).collect(),
        })
    }

    /// The estimated Dice at a score; constant beyond the first and the last knot. `None` for a score that is not finite.
    pub fn estimate(&self, score: f64) -> Option<EstimatedDice> {
        if !score.is_finite() {
            return None;
        }
        let above = self.knots.partition_point(|knot| knot.score < score);
        let high = self.knots.get(above).or(self.knots.last())?;
        let low = above.checked_sub(1).map_or(high, |below| &self.knots[below]);
        let span = high.score - low.score;
        let share = if span > 0.0 {
            ((score - low.score) / span).clamp(0.0, 1.0)
        } else {
            0.0
        };
        // The clamp keeps rounding from leaving the range between both knots.
        let interpolate = |field: fn(&EstimatedDice) -> f64| {
            let (low, high) = (field(&low.dice), field(&high.dice));
            ((1.0 - share) * low + share * high).max(low).min(high)
        };
        Some(EstimatedDice {
            value: interpolate(|dice| dice.value),
            low: interpolate(|dice| dice.low),
            high: interpolate(|dice| dice.high),
        })
    }

    /// Whether it satisfies the invariants of [`DiceEstimator::fit`]; what was read from a file may not.
    pub fn is_sound(&self) -> bool {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let sound = |knot: &Knot| {
            let EstimatedDice { value, low, high } = knot.dice;
            knot.score.is_finite()
                && [value, low, high].into_iter().all(share)
                && low <= value
                && value <= high
        };
        let rising = |pair: &[Knot]| {
            let (below, above) = (pair[0].dice, pair[1].dice);
            pair[0].score < pair[1].score
                && below.value <= above.value
                && below.low <= above.low
                && below.high <= above.high
        };
        !self.knots.is_empty() && self.knots.iter().all(sound) && self.knots.windows(2).all(rising)
    }
}

/// The non-decreasing step function closest to weighted values in the least-squares sense.
struct IsotonicFit {
    /// First score and value of each step.
    steps: Vec<(f64, f64)>,
}

impl IsotonicFit {
    /// Fits values sorted by score, each with an integer weight; equal scores are merged. `None` where all weights are 0.
    fn fit(labelled: &[LabelledScore], times: &[u32]) -> Option<IsotonicFit> {
        // Score, sum, weight.
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        let weighted = labelled.iter().zip(times).filter(|(_, times)| **times > 0);
        for (it, &times) in weighted {
            let times = f64::from(times);
            match blocks.last_mut() {
                Some((score, sum, weight)) if *score == it.score => {
                    *sum += times * it.dice;
                    *weight += times;
                }
                _ => blocks.push((it.score, times * it.dice, times)),
            }
        }
        let mut pooled: Vec<(f64, f64, f64)> = Vec::new();
        for mut block in blocks {
            while let Some(&(score, sum, weight)) = pooled.last() {
                if sum / weight < block.1 / block.2 {
                    break;
                }
                block = (score, sum + block.1, weight + block.2);
                pooled.pop();
            }
            pooled.push(block);
        }
        let steps: Vec<(f64, f64)> = pooled
            .into_iter()
            .map(|(score, sum, weight)| (score, sum / weight))
            .collect();
        (!steps.is_empty()).then_some(IsotonicFit { steps })
    }

    fn evaluate(&self, score: f64) -> f64 {
        let above = self.steps.partition_point(|(first, _)| *first <= score);
        self.steps[above.saturating_sub(1)].1
    }
}
