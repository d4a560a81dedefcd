//! How well a score tells good segmentations from bad ones: one file a metric.
//!
//! Every metric takes a [`Draw`]: pairs of a score (higher promises more) and the true Dice, each image counted once, or as
//! often as a bootstrap drew it. The risk of an image is `1 - Dice`; the selective risk of `k` images is the mean risk of the
//! `k` with the highest scores.
//!
//! | metric | formula | best |
//! |---|---|---|
//! | [`aurc`] | mean over `k = 1..n` of the selective risk | low |
//! | [`place`] | `(AURC - oracle's) / (random's - oracle's)` | 0 is the oracle, 1 a coin, above 1 worse |
//! | [`aurc_zenk`] | the same area as the benchmark of Zenk et al. (2025) adds it up | low |
//! | [`augrc`] | area under the generalised risk `(1/n) sum of the risks of the k` (Traub et al. 2024) | low |
//! | [`spearman`], [`pearson`] | correlation of score and Dice, of their ranks or their values | 1 |
//! | [`auroc`] | probability that a good image scores above a bad one | 1 |
//! | [`dice_at_coverage`] | mean Dice of the share with the highest scores (Table 2) | high |
//! | [`coverage_at_risk`] | largest share whose selective risk is within a limit | high |
//!
//! Images of equal score are in no order: where a metric needs one, it is the mean over all orders of them, so no metric
//! depends on the order in which images are given ([`aurc_zenk`] alone does, as the code that it repeats). A score that is
//! not a number ranks below all others, as the gate rejects it.

mod augrc;
mod aurc;
mod auroc;
mod bootstrap;
mod correlation;
mod scored;
mod selective;
mod zenk;

pub use augrc::augrc;
pub use aurc::{aurc, oracle_aurc, place};
pub use auroc::{auroc, lowest_share};
pub use bootstrap::{Bootstrap, Interval, median, percentile};
pub use correlation::{pearson, spearman};
pub use scored::{Draw, Scored};
pub use selective::{coverage_at_risk, dice_at_coverage, selective_risks};
pub use zenk::aurc_zenk;
