//! Area under the receiver operating characteristic (AUROC).

use super::scored::Draw;

/// Area under the receiver operating characteristic: the probability that an image that is not bad scores higher than one
/// that is bad, ties counting half. `bad` decides from an image's Dice. `None` where all images are bad, or none is.
pub fn auroc(draw: &Draw<'_>, bad: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut good_above, mut wins, mut bad_count) = (0.0, 0.0, 0.0);
    for group in draw.by_score().groups() {
        let (mut good, mut bad_here) = (0.0, 0.0);
        for &image in group {
            let count = if bad(draw.dice(image)) {
                &mut bad_here
            } else {
                &mut good
            };
            *count += draw.times(image) as f64;
        }
        wins += bad_here * (good_above + good / 2.0);
        good_above += good;
        bad_count += bad_here;
    }
    (bad_count > 0.0 && good_above > 0.0).then(|| wins / (bad_count * good_above))
}

/// The Dice at or below which the given share (0..=1) of the images lies, rounded up to whole images: the threshold of "the lowest
/// tenth" for [`auroc`]. Images with exactly this Dice count as below. `None` without images, or where the share is 0.
pub fn lowest_share(draw: &Draw<'_>, share: f64) -> Option<f64> {
    let mut dice: Vec<f64> = draw
        .images()
        .flat_map(|image| std::iter::repeat_n(draw.dice(image), draw.times(image) as usize))
        .collect();
    dice.sort_by(f64::total_cmp);
    let count = whole(share, dice.len() as u64) as usize;
    count.checked_sub(1).map(|last| dice[last])
}

/// A share of the images, rounded up to whole images and clamped to their number.
pub(super) fn whole(share: f64, images: u64) -> u64 {
    // The tolerance keeps 0.9 * 10 from becoming ten images.
    let count = (share * images as f64 - 1e-9).ceil().max(0.0) as u64;
    count.min(images)
}
