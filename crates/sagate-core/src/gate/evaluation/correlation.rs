//! Correlation of score and Dice.

use super::scored::{Draw, Order};

/// Pearson's correlation of score and Dice, in [-1, 1]. `None` below two images, where either is constant, or where a score
/// is infinite (NaN counts as minus infinity).
pub fn pearson(draw: &Draw<'_>) -> Option<f64> {
    let values = draw
        .images()
        .map(|image| (draw.times(image) as f64, draw.score(image), draw.dice(image)));
    correlation(&values.collect::<Vec<_>>())
}

/// Spearman's rank correlation of score and Dice, in [-1, 1]: [`pearson`] of their ranks, equal images sharing their mean
/// rank. `None` below two images or where either is constant.
pub fn spearman(draw: &Draw<'_>) -> Option<f64> {
    let (scores, dice) = (ranks(draw, draw.by_score()), ranks(draw, draw.by_dice()));
    let values = draw
        .images()
        .map(|image| (draw.times(image) as f64, scores[image], dice[image]));
    correlation(&values.collect::<Vec<_>>())
}

/// Pearson's correlation of pairs `(weight, a, b)`.
fn correlation(values: &[(f64, f64, f64)]) -> Option<f64> {
    let mut counted = values.iter().filter(|(times, ..)| *times > 0.0);
    if !counted.all(|(_, a, b)| a.is_finite() && b.is_finite()) {
        return None;
    }
    let counted = || values.iter().filter(|(times, ..)| *times > 0.0);
    let images: f64 = counted().map(|(times, ..)| times).sum();
    let mean =
        |value: fn(&(f64, f64, f64)) -> f64| counted().map(|it| it.0 * value(it)).sum::<f64>() / images;
    let (mean_a, mean_b) = (mean(|it| it.1), mean(|it| it.2));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for &(times, a, b) in counted() {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += times * a * a;
        bb += times * b * b;
        ab += times * a * b;
    }
    // Rounding of the mean can make the variance of constant values slightly above 0.
    let constant = |value: fn(&(f64, f64, f64)) -> f64| {
        let first = counted().next().map(value);
        counted().all(|it| Some(value(it)) == first)
    };
    let flat = constant(|it| it.1) || constant(|it| it.2);
    let spread = (aa * bb).sqrt();
    (!flat && spread > 0.0).then(|| (ab / spread).clamp(-1.0, 1.0))
}

/// The rank of each image, the highest value's first; equal images share their mean rank.
fn ranks(draw: &Draw<'_>, order: &Order) -> Vec<f64> {
    let mut ranks = vec![0.0; draw.images().len()];
    let mut before = 0.0;
    for group in order.groups() {
        let count: u64 = group.iter().map(|&image| draw.times(image)).sum();
        let rank = before + (count as f64 - 1.0) / 2.0;
        // Negated, so that a higher value has a higher rank.
        group.iter().for_each(|&image| ranks[image] = -rank);
        before += count as f64;
    }
    ranks
}
