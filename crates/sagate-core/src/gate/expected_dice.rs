//! From a score to the Dice that it promises.

use serde::{Deserialize, Serialize};

use super::evaluation::{Bootstrap, percentile};

/// Fewer images with truth than this say too little.
pub const MIN_LABELLED: usize = 10;

/// Points that the map is kept at: twentieths of the scores.
const KNOTS: usize = 20;

/// Draws of the images for the intervals.
const DRAWS: usize = 400;

/// A rising map from a score to the Dice that is expected of it, with 95 % intervals of that expectation.
///
/// Isotonic regression (pool adjacent violators; Ayer et al. 1955) of the Dice on the score, with the intervals of a bootstrap over
/// images, kept at twentieths of the scores and linear between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDice {
    /// By rising score; at least one.
    knots: Vec<Knot>,
}

/// What one score promises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knot {
    score: f64,
    #[serde(flatten)]
    dice: Expectation,
}

/// The Dice that is expected of an image. All lie in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The expectation.
    pub value: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// An image whose truth is known, or a spoilt copy of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledScore {
    /// Its score.
    pub score: f64,
    /// Its Dice against the truth, 0..=1.
    pub dice: f64,
    /// The image that it is or is a copy of.
    pub image: usize,
}

impl ExpectedDice {
    /// From images whose truth is known. `None` where they are fewer than [`MIN_LABELLED`] (copies not counted), or something is not
    /// finite.
    pub fn fit(known: &[LabelledScore], seed: u64) -> Option<ExpectedDice> {
        let mut images: Vec<usize> = known.iter().map(|it| it.image).collect();
        images.sort_unstable();
        images.dedup();
        if images.len() < MIN_LABELLED || known.iter().any(|it| !(it.score + it.dice).is_finite()) {
            return None;
        }
        let mut known = known.to_vec();
        known.sort_by(|a, b| a.score.total_cmp(&b.score));
        let scores: Vec<f64> = known.iter().map(|it| it.score).collect();
        let mut at: Vec<f64> = (0..=KNOTS)
            .map(|knot| percentile(&scores, knot as f64 / KNOTS as f64))
            .collect();
        at.dedup();
        let once = IsotonicFit::fit(&known, &vec![1; known.len()])?;
        let groups: Vec<usize> = known
            .iter()
            .map(|it| images.binary_search(&it.image).expect("every image is listed"))
            .collect();
        let bootstrap = Bootstrap::new(&groups, DRAWS, seed);
        let drawn: Vec<IsotonicFit> = bootstrap
            .draws()
            .filter_map(|times| IsotonicFit::fit(&known, times))
            .collect();
        let knot = |score: f64| {
            let mut values: Vec<f64> = drawn.iter().map(|steps| steps.at(score)).collect();
            values.sort_by(f64::total_cmp);
            let value = once.at(score);
            Knot {
                score,
                dice: Expectation {
                    value,
                    low: percentile(&values, 0.025).min(value),
                    high: percentile(&values, 0.975).max(value),
                },
            }
        };
        Some(ExpectedDice {
            knots: at.into_iter().map(knot).collect(),
        })
    }

    /// What a score promises; that of the nearest knot beyond the first and the last. `None` for a score that is not finite.
    pub fn of(&self, score: f64) -> Option<Expectation> {
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
        // Kept between both, whatever rounding does.
        let between = |of: fn(&Expectation) -> f64| {
            let (low, high) = (of(&low.dice), of(&high.dice));
            ((1.0 - share) * low + share * high).max(low).min(high)
        };
        Some(Expectation {
            value: between(|dice| dice.value),
            low: between(|dice| dice.low),
            high: between(|dice| dice.high),
        })
    }

    /// Whether it is a map that [`ExpectedDice::fit`] may give: what is read from a file may not be.
    pub fn is_sound(&self) -> bool {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let sound = |knot: &Knot| {
            let Expectation { value, low, high } = knot.dice;
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

/// The rising steps that are nearest to weighted values in the least squares.
struct IsotonicFit {
    /// First score and value of each step.
    steps: Vec<(f64, f64)>,
}

impl IsotonicFit {
    /// From values by rising score, each so many times; equal scores are one. `None` where none comes.
    fn fit(known: &[LabelledScore], times: &[u32]) -> Option<IsotonicFit> {
        // Score, sum, weight.
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        let with_times = known.iter().zip(times).filter(|(_, times)| **times > 0);
        for (it, &times) in with_times {
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

    fn at(&self, score: f64) -> f64 {
        let above = self.steps.partition_point(|(first, _)| *first <= score);
        self.steps[above.saturating_sub(1)].1
    }
}
