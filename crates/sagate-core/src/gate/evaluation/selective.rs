//! Selective risk and coverage.

use super::auroc::whole;
use super::scored::Draw;

/// Mean Dice of the share `coverage` (0..=1) of the images with the highest scores (Table 2), rounded up to whole images. A group of
/// equal scores that is only partly included counts with its mean. `None` where no image is included.
pub fn dice_at_coverage(draw: &Draw<'_>, coverage: f64) -> Option<f64> {
    let kept = whole(coverage, draw.len());
    let (mut left, mut risk) = (kept, 0.0);
    for tie in draw.ties(draw.by_score()) {
        let taken = tie.count.min(left);
        risk += tie.risk * taken as f64 / tie.count as f64;
        left -= taken;
        if left == 0 {
            break;
        }
    }
    (kept > 0).then(|| 1.0 - risk / kept as f64)
}

/// The largest share of the images, taken in descending order of score, whose mean risk is at most `limit`. Only whole groups of equal
/// scores are considered, since a threshold cannot split them. 0 where no group satisfies the limit; `None` without images.
pub fn coverage_at_risk(draw: &Draw<'_>, limit: f64) -> Option<f64> {
    let within = selective_risks(draw).filter(|&(_, risk)| risk <= limit);
    let best = within.map(|(coverage, _)| coverage).fold(0.0, f64::max);
    (!draw.is_empty()).then_some(best)
}

/// The risk-coverage curve: coverage (0..=1) and selective risk at each distinct score, in descending order.
pub fn selective_risks<'a>(draw: &'a Draw<'_>) -> impl Iterator<Item = (f64, f64)> + 'a {
    let images = draw.len() as f64;
    draw.ties(draw.by_score())
        .scan((0u64, 0.0), move |(count, risk), tie| {
            *count += tie.count;
            *risk += tie.risk;
            Some((*count as f64 / images, *risk / *count as f64))
        })
}
