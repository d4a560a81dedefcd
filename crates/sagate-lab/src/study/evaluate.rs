//! Evaluation of a score: how well it ranks images whose Dice is known.

use sagate_core::gate::evaluation::{
    Bootstrap, Draw, Interval, Scored, augrc, aurc, aurc_zenk, auroc, coverage_at_risk, dice_at_coverage,
    lowest_share, normalised_aurc, pearson, spearman,
};
use serde::{Deserialize, Serialize};

/// Coverages of Table 2.
pub const COVERAGES: [f64; 4] = [1.0, 0.9, 0.7, 0.5];

/// Below this Dice a segmentation counts as failed.
pub const FAILED: f64 = 0.5;

/// The risk, as `1 - Dice`, that [`ScoreMetrics::coverage_at_risk`] allows.
pub const RISK: f64 = 0.05;

/// Which area under the risk-coverage curve is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AurcVariant {
    /// Equal scores averaged over their orders, every coverage with its full weight.
    #[default]
    Full,
    /// As the benchmark of Zenk et al. (2025) computes it; the normalised AURC stays that of `full`.
    Zenk,
}

/// A quantity and its 95 % bootstrap interval; `None` where it has no value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Over all images, each once.
    pub value: Option<f64>,
    /// Over the bootstrap's draws.
    pub interval: Option<Interval>,
}

/// Metrics of how well a score ranks images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreMetrics {
    /// Area under the risk-coverage curve, risk `1 - Dice`.
    pub aurc: Measure,
    /// Normalised AURC: 0 optimal, 1 random.
    pub normalised_aurc: Measure,
    /// Area under the generalised risk-coverage curve.
    pub augrc: Measure,
    /// Rank correlation with the Dice.
    pub spearman: Measure,
    /// Correlation with the Dice.
    pub pearson: Measure,
    /// AUROC for detecting Dice below [`FAILED`].
    pub auroc_failed: Measure,
    /// AUROC for detecting the tenth of the images with the lowest Dice.
    pub auroc_tenth: Measure,
    /// Mean Dice at each of [`COVERAGES`].
    pub dice_at: Vec<Measure>,
    /// Largest share of the images whose mean risk is at most [`RISK`].
    pub coverage_at_risk: Measure,
}

/// Evaluates a score, with bootstrap intervals over the images.
pub fn evaluate_score(scored: &Scored, bootstrap: &Bootstrap, area: AurcVariant) -> ScoreMetrics {
    let measure = |metric: &dyn Fn(&Draw<'_>) -> Option<f64>| Measure {
        value: metric(&scored.all()),
        interval: bootstrap.interval(|times| metric(&scored.drawn(times))),
    };
    let tenth = lowest_share(&scored.all(), 0.1).unwrap_or(0.0);
    ScoreMetrics {
        aurc: match area {
            AurcVariant::Full => measure(&aurc),
            // It is not defined for weighted images, so there is no bootstrap interval.
            AurcVariant::Zenk => Measure {
                value: aurc_zenk(scored),
                interval: None,
            },
        },
        normalised_aurc: measure(&normalised_aurc),
        augrc: measure(&augrc),
        spearman: measure(&spearman),
        pearson: measure(&pearson),
        auroc_failed: measure(&|draw| auroc(draw, |dice| dice < FAILED)),
        auroc_tenth: measure(&|draw| auroc(draw, |dice| dice <= tenth)),
        dice_at: COVERAGES
            .iter()
            .map(|&coverage| measure(&|draw| dice_at_coverage(draw, coverage)))
            .collect(),
        coverage_at_risk: measure(&|draw| coverage_at_risk(draw, RISK)),
    }
}
