//! Area under the risk-coverage curve (AURC) and the normalised AURC.

use super::scored::{Draw, Order};

/// Area under the risk-coverage curve: the mean over `k = 1..n` of the selective risk of the `k` images with the highest
/// scores (Geifman and El-Yaniv 2017), every `k` with its full weight.
///
/// Within a group of equal scores the selective risk is its mean over all orders of the group: after `a` images with the
/// risks' sum `S`, and `j` of a group with the mean risk `g`, it is `(S + j g) / (a + j)`. `None` without images.
pub fn aurc(draw: &Draw<'_>) -> Option<f64> {
    area(draw, draw.by_score())
}

/// The lowest [`aurc`] that any score can reach: that of the Dice itself. `None` without images.
pub fn optimal_aurc(draw: &Draw<'_>) -> Option<f64> {
    area(draw, draw.by_dice())
}

/// Normalised AURC: `(AURC - optimal) / (random - optimal)`, where the AURC of a random score is the mean risk. 0 is optimal, 1 is a
/// random score, above 1 is worse than random. `None` without images, or where all have the same Dice.
pub fn normalised_aurc(draw: &Draw<'_>) -> Option<f64> {
    let (area, optimal) = (aurc(draw)?, optimal_aurc(draw)?);
    let random = draw.ties(draw.by_dice()).map(|tie| tie.risk).sum::<f64>() / draw.len() as f64;
    let distinct = draw.ties(draw.by_dice()).nth(1).is_some();
    distinct.then(|| (area - optimal) / (random - optimal))
}

fn area(draw: &Draw<'_>, order: &Order) -> Option<f64> {
    let (mut before, mut sum, mut area) = (0u64, 0.0, 0.0);
    for tie in draw.ties(order) {
        let mean = tie.risk / tie.count as f64;
        area += (1..=tie.count)
            .map(|j| (sum + j as f64 * mean) / (before + j) as f64)
            .sum::<f64>();
        before += tie.count;
        sum += tie.risk;
    }
    (before > 0).then(|| area / before as f64)
}
