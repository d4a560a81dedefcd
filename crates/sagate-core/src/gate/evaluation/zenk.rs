//! AURC as computed by the published benchmark of failure detection in segmentation.

use super::scored::Scored;

/// Area under the risk-coverage curve as the code of Zenk et al. (2025) computes it, to compare with their figures; use
/// [`super::aurc`] for anything else.
///
/// Images are dropped in ascending order of score. The curve has a point before the first is dropped and after each whose score differs
/// from the previous one; the area is the sum of the trapezoids between the points, with the number of images dropped in between over
/// `n` as width. Differences from [`super::aurc`]: the widths add up to `(n - 1) / n`, so every score looks better with few images; a
/// group of equal scores has its point after its first image, so the order of equal images matters (the given order is kept); and where
/// the curve ends within a group, its last risk is held constant. `None` without images; 0 for one.
pub fn aurc_zenk(scored: &Scored) -> Option<f64> {
    let draw = scored.all();
    if scored.is_empty() {
        return None;
    }
    let mut order: Vec<usize> = draw.images().collect();
    order.sort_by(|&a, &b| draw.score(a).total_cmp(&draw.score(b)));
    let images = order.len();
    let mut left: f64 = order.iter().map(|&image| 1.0 - draw.dice(image)).sum();
    let (mut last, mut area, mut dropped) = (left / images as f64, 0.0, 0usize);
    for (index, &image) in order[..images - 1].iter().enumerate() {
        left -= 1.0 - draw.dice(image);
        dropped += 1;
        let differs = index == 0 || draw.score(image) != draw.score(order[index - 1]);
        if differs {
            let risk = left / (images - 1 - index) as f64;
            area += (last + risk) / 2.0 * dropped as f64;
            (last, dropped) = (risk, 0);
        }
    }
    area += last * dropped as f64;
    Some(area / images as f64)
}
