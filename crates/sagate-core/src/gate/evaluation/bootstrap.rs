//! Bootstrap confidence intervals.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Samples of images drawn with replacement (Efron 1979), always the same ones for a seed: statistics that are taken over the
/// same draws can be compared draw by draw.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    draws: Vec<Vec<u32>>,
}

impl Bootstrap {
    /// Draws whole groups: image `i` belongs to group `groups[i]`. Copies of one image, such as its corrupted versions, form one group,
    /// since they are not independent; each draw has as many groups as there are.
    pub fn new(groups: &[usize], draws: usize, seed: u64) -> Bootstrap {
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || {
            let mut times = vec![0u32; count];
            (0..count).for_each(|_| times[random.gen_range(0..count)] += 1);
            groups.iter().map(|&group| times[group]).collect()
        };
        Bootstrap {
            draws: (0..draws).map(|_| draw()).collect(),
        }
    }

    /// The weight of each image in each draw.
    pub fn draws(&self) -> impl Iterator<Item = &[u32]> {
        self.draws.iter().map(Vec::as_slice)
    }

    /// The 95 % interval of a statistic: from the 2.5th to the 97.5th percentile of its values over the draws, those without
    /// a value left out. `None` where fewer than half of the draws have one.
    pub fn interval(&self, statistic: impl FnMut(&[u32]) -> Option<f64>) -> Option<Interval> {
        let mut values: Vec<f64> = self
            .draws()
            .filter_map(statistic)
            .filter(|v| v.is_finite())
            .collect();
        if values.is_empty() || 2 * values.len() < self.draws.len() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Interval {
            low: percentile(&values, 0.025),
            high: percentile(&values, 0.975),
        })
    }
}

/// The percentile at a share (0..=1) of ascending values, linear between them (Hyndman and Fan's type 7).
///
/// # Panics
/// Without values.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (rank - below as f64)
}

/// The middle value, the mean of the middle two where their number is even; NaN without any.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        f64::NAN
    } else {
        percentile(&values, 0.5)
    }
}
