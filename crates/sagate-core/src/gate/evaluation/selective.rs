//! What remains when only some images are let through.

use super::auroc::whole;
use super::scored::Draw;

/// Mean Dice of the images that remain when only the share `coverage` (0..=1) with the highest scores is let through
/// (Table 2), rounded up to whole images. Of a group of equal scores that is cut, any may remain: it counts with its mean.
/// `None` where none remains.
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

/// The largest share of the images, those with the highest scores, whose mean risk is at most `limit`. A threshold cannot
/// part images of equal score, so only whole groups of them count. 0 where no group is good enough; `None` without images.
pub fn coverage_at_risk(draw: &Draw<'_>, limit: f64) -> Option<f64> {
    let within = selective_risks(draw).filter(|&(_, risk)| risk <= limit);
    let best = within.map(|(coverage, _)| coverage).fold(0.0, f64::max);
    (!draw.is_empty()).then_some(best)
}

/// The risk-coverage curve: coverage (0..=1) and selective risk at each threshold that tells images apart, from the highest
/// score to the lowest.
pub fn selective_risks<'a>(draw: &'a Draw<'_>) -> impl Iterator<Item = (f64, f64)> + 'a {
    let images = draw.len() as f64;
    draw.ties(draw.by_score())
        .scan((0u64, 0.0), move |(count, risk), tie| {
            *count += tie.count;
            *risk += tie.risk;
            Some((*count as f64 / images, *risk / *count as f64))
        })
}
