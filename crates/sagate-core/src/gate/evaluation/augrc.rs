//! Area under the generalised risk-coverage curve.

use super::scored::Draw;

/// Area under the generalised risk-coverage curve (Traub et al. 2024): the generalised risk of the `k` images with the
/// highest scores is `(1/n)` times the sum of their risks, which is 0 at coverage 0 and rises to the mean risk; the area is
/// taken by the trapezoidal rule between coverages 0 and 1. It is the mean accepted risk over all coverages; a random score's is half the
/// mean risk.
///
/// Within a group of equal scores the curve is a straight line, the mean over all orders of the group. `None` without images.
pub fn augrc(draw: &Draw<'_>) -> Option<f64> {
    let (mut sum, mut area) = (0.0, 0.0);
    for tie in draw.ties(draw.by_score()) {
        area += tie.count as f64 * (sum + tie.risk / 2.0);
        sum += tie.risk;
    }
    let images = draw.len() as f64;
    (images > 0.0).then(|| area / (images * images))
}
