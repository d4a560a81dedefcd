//! The SA score: how well a SAM agrees with the reference.

/// The pixel counts from which every metric follows. Pixels outside the validity mask count nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Confusion {
    /// Pixels that are object in both, |S and R|.
    pub both: u64,
    /// Object pixels of the SAM, |S|.
    pub sam: u64,
    /// Object pixels of the reference, |R|.
    pub reference: u64,
    /// All pixels.
    pub pixels: u64,
}

/// Which agreement between a SAM `S` and the reference `R` is the SA score. All lie in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Metric {
    /// `2 |S and R| / (|S| + |R|)` (eq. 8).
    #[default]
    Dice,
    /// `|S and R| / |S or R|`.
    Jaccard,
    /// The share of pixels on which both agree.
    PixelAccuracy,
    /// `|S and R| / |R|`: the share of the reference's object that the SAM finds.
    Sensitivity,
    /// `|not S and not R| / |not R|`: the share of the reference's background that the SAM leaves alone.
    Specificity,
}

impl Metric {
    /// The score of these counts in [0, 1]. A ratio of nothing to nothing is 1: both sides agree that there is none.
    pub fn score(self, counts: Confusion) -> f64 {
        let Confusion {
            both,
            sam,
            reference,
            pixels,
        } = counts;
        let either = sam + reference - both;
        let (part, whole) = match self {
            Metric::Dice => (2 * both, sam + reference),
            Metric::Jaccard => (both, either),
            Metric::PixelAccuracy => (pixels - either + both, pixels),
            Metric::Sensitivity => (both, reference),
            Metric::Specificity => (pixels - either, pixels - reference),
        };
        if whole == 0 {
            1.0
        } else {
            part as f64 / whole as f64
        }
    }
}
