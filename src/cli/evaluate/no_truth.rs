//! Statistics that need no ground truth, and what cannot be said without it.

use sagate_core::gate::evaluation::percentile;
use sagate_core::gate::{Calibration, Policy, decide, kolmogorov_smirnov, ks_critical_value};
use sagate_lab::study::evaluate::COVERAGES;
use sagate_lab::study::table::{Cell, Column, Table};
use serde::Serialize;

use super::group::{DIGITS, chunks, head, mean, number};
use super::score::{Score, ScoreKind, kinds};

/// Reported percentiles of each score.
const PERCENTILES: [f64; 5] = [5.0, 25.0, 50.0, 75.0, 95.0];

/// Statistics that need no ground truth.
#[derive(Debug, Serialize)]
pub(super) struct NoTruth {
    pub distributions: Vec<Distribution>,
    /// One row for each kind and severity of corruption, the clean images first; empty without a calibration.
    pub shifts: Vec<Shift>,
    pub cannot_say: Vec<&'static str>,
}

/// Distribution of a score over all images.
#[derive(Debug, Serialize)]
pub(super) struct Distribution {
    /// Its id in files.
    score: &'static str,
    /// Its name in tables.
    #[serde(skip)]
    name: &'static str,
    /// Images whose score is finite; the statistics are over these.
    images: usize,
    mean: Option<f64>,
    /// Percentage and value there, ascending; empty without images.
    percentiles: Vec<(f64, f64)>,
}

/// Rejection and drift of the images of one kind and severity of corruption.
#[derive(Debug, Serialize)]
pub(super) struct Shift {
    corruption: &'static str,
    severity: u8,
    images: usize,
    /// Coverage, and the share of the images that the gate would reject at it.
    rejected_at_coverage: Vec<(f64, f64)>,
    /// Kolmogorov-Smirnov distance of mu from the calibration's, in [0, 1]; `None` where no mu is finite.
    drift: Option<f64>,
    /// Critical value of the drift at the 5 % level for samples of this size.
    ks_critical_value: f64,
}

impl NoTruth {
    pub fn new(images: &[Score], calibration: Option<&Calibration>, policy: &Policy) -> NoTruth {
        let mut cannot_say = vec![
            "Dice, and so whether the masks are right: that needs ground truth.",
            "How well mu or the confidences rank these images (AURC, AUGRC, AUROC, correlations): that needs ground truth.",
            "How good the accepted images are, and how many of the rejected were good: that needs ground truth.",
        ];
        if calibration.is_none() {
            cannot_say.push(
                "What each coverage would reject, and how far mu has drifted: that needs a calibration (`sagate calibrate`).",
            );
        } else {
            cannot_say.push(
                "Whether a drift of mu goes with worse masks: mu can move without them, and they can get worse without it.",
            );
        }
        NoTruth {
            distributions: kinds(images)
                .iter()
                .map(|kind| Distribution::new(images, kind))
                .collect(),
            shifts: calibration.map_or_else(Vec::new, |calibration| {
                chunks(images)
                    .map(|group| Shift::new(group, calibration, policy))
                    .collect()
            }),
            cannot_say,
        }
    }

    /// The tables, for people.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.distribution_table()];
        if !self.shifts.is_empty() {
            tables.push(self.shift_table());
        }
        tables
    }

    fn distribution_table(&self) -> Table {
        let percentiles = PERCENTILES.map(|percent| format!("{percent:.0} %"));
        let columns = ["score", "finite", "mean"].map(str::to_owned);
        let mut table = Table::new(
            "distribution",
            "Distribution of the scores over all images",
            columns.into_iter().chain(percentiles).map(Column::new),
        );
        for distribution in &self.distributions {
            let cells = [
                Cell::text(distribution.name),
                Cell::count(distribution.images as u64),
                number(distribution.mean, "none"),
            ];
            let percentile = |index: usize| {
                let value = distribution.percentiles.get(index).map(|&(_, value)| value);
                number(value, "none")
            };
            let percentiles = (0..PERCENTILES.len()).map(percentile);
            table.push(cells.into_iter().chain(percentiles));
        }
        table
    }

    fn shift_table(&self) -> Table {
        let coverages = COVERAGES.map(|coverage| format!("rejected at {:.0} %", coverage * 100.0));
        let columns = ["corruption", "severity"]
            .map(str::to_owned)
            .into_iter()
            .chain(coverages);
        let columns = columns.chain(["drift of mu".to_owned(), "critical value (5 %)".to_owned()]);
        let mut table = Table::new(
            "shift",
            "Share that each coverage would reject, and drift of mu from the calibration",
            columns.map(Column::new),
        );
        for shift in &self.shifts {
            let rejected = shift
                .rejected_at_coverage
                .iter()
                .map(|&(_, share)| Cell::percent(share, 0));
            let drift = [
                number(shift.drift, "no mu"),
                Cell::number(shift.ks_critical_value, DIGITS),
            ];
            table.push(
                head(shift.corruption, shift.severity)
                    .into_iter()
                    .chain(rejected)
                    .chain(drift),
            );
        }
        table.note = Some(
            "Drift: two-sample Kolmogorov-Smirnov distance, 0 (alike) to 1 (apart). Critical value: exceeded by 5 % of samples of this \
             size from the calibration's distribution."
                .into(),
        );
        table
    }
}

impl Distribution {
    fn new(images: &[Score], kind: &ScoreKind) -> Distribution {
        let mut values: Vec<f64> = images
            .iter()
            .map(kind.value)
            .filter(|it| it.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        let at = |&percent: &f64| (percent, percentile(&values, percent / 100.0));
        let percentiles = if values.is_empty() {
            Vec::new()
        } else {
            PERCENTILES.iter().map(at).collect()
        };
        Distribution {
            score: kind.id,
            name: kind.name,
            images: values.len(),
            mean: mean(values.iter().copied()),
            percentiles,
        }
    }
}

impl Shift {
    fn new(group: &[Score], calibration: &Calibration, policy: &Policy) -> Shift {
        let rejected = |coverage: f64| {
            let policy = Policy {
                coverage: Some(coverage),
                threshold: None,
                ..*policy
            };
            let rejects = |score: &&Score| !decide(&score.inputs, Some(calibration), &policy).accept;
            (
                coverage,
                group.iter().filter(rejects).count() as f64 / group.len() as f64,
            )
        };
        let mu: Vec<f64> = group.iter().map(|score| score.mu).collect();
        let calibrated: Vec<f64> = calibration.entries.iter().map(|entry| entry.mu).collect();
        Shift {
            corruption: group[0].corruption_name(),
            severity: group[0].severity(),
            images: group.len(),
            rejected_at_coverage: COVERAGES.map(rejected).into(),
            drift: kolmogorov_smirnov(&mu, &calibrated),
            ks_critical_value: ks_critical_value(
                mu.iter().filter(|mu| mu.is_finite()).count(),
                calibrated.len(),
            ),
        }
    }
}
