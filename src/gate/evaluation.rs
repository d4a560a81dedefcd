//! How well scores rank images: rank correlation with the true Dice, and the Dice of what a gate would let through.

/// Spearman's rank correlation of two series of one length, in [-1, 1]: Pearson's correlation of their ranks, ties sharing
/// their mean rank. `None` below two pairs or where a series is constant.
///
/// # Panics
/// Where the series have different lengths.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "ranks are compared in pairs");
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let spread = (sum(&a, &a) * sum(&b, &b)).sqrt();
    (spread > 0.0).then(|| (sum(&a, &b) / spread).clamp(-1.0, 1.0))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = first as f64 + (tied.len() as f64 - 1.0) / 2.0;
        tied.iter().for_each(|&index| ranks[index] = rank);
        first += tied.len();
    }
    ranks
}

/// Mean Dice of the images that remain when only the share `coverage` with the highest mu is let through (Table 2), rounded
/// up to whole images. `None` where none remains. Each pair is `(mu, dice)`.
pub fn dice_at_coverage(pairs: &[(f64, f64)], coverage: f64) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    // The tolerance keeps 0.9 * 10 from becoming ten images.
    let remaining = (coverage * sorted.len() as f64 - 1e-9).ceil().max(0.0) as usize;
    let kept = &sorted[..remaining.min(sorted.len())];
    (!kept.is_empty()).then(|| kept.iter().map(|pair| pair.1).sum::<f64>() / kept.len() as f64)
}
