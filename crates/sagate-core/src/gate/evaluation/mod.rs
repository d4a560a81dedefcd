//! Metrics of how well a score separates good segmentations from bad ones, one file a metric.
//!
//! Every metric takes a [`Draw`]: pairs of a score (higher is better) and the true Dice, each image counted once, or as often as a
//! bootstrap drew it. The risk of an image is `1 - Dice`; the selective risk of `k` images is the mean risk of the
//! `k` with the highest scores.
//!
//! | metric | formula | best |
//! |---|---|---|
//! | [`aurc`] | mean over `k = 1..n` of the selective risk | low |
//! | [`normalised_aurc`] | `(AURC - optimal) / (random - optimal)` | 0 optimal, 1 random, above 1 worse than random |
//! | [`aurc_zenk`] | AURC as computed by the benchmark of Zenk et al. (2025) | low |
//! | [`augrc`] | area under the generalised risk `(1/n) sum of the risks of the k` (Traub et al. 2024) | low |
//! | [`spearman`], [`pearson`] | correlation of score and Dice, of their ranks or their values | 1 |
//! | [`auroc`] | probability that a good image scores above a bad one | 1 |
//! | [`dice_at_coverage`] | mean Dice of the share with the highest scores (Table 2) | high |
//! | [`coverage_at_risk`] | largest share whose selective risk is within a limit | high |
//!
//! Ties in the score are averaged over all orders, so no metric depends on the order of the images, except [`aurc_zenk`], which
//! reproduces the benchmark's code. NaN ranks below all other scores, since the gate rejects it.

mod augrc;
mod aurc;
mod auroc;
mod bootstrap;
mod correlation;
mod scored;
mod selective;
mod zenk;

pub use augrc::augrc;
pub use aurc::{aurc, normalised_aurc, optimal_aurc};
pub use auroc::{auroc, lowest_share};
pub use bootstrap::{Bootstrap, Interval, median, percentile};
pub use correlation::{pearson, spearman};
pub use scored::{Draw, Scored};
pub use selective::{coverage_at_risk, dice_at_coverage, selective_risks};
pub use zenk::aurc_zenk;
