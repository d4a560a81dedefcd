//! Claims of the paper, and whether they hold here.

use serde::{Deserialize, Serialize};

use super::table::{Cell, Column, Table};

/// A claim with its verdict and its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The claim, as a sentence.
    pub text: String,
    /// Where the paper says it, as in `Table 2`.
    pub source: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The measurement.
    pub evidence: String,
    /// The lower end of the measured quantity's interval, where it has one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// The verdict on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval lies entirely within the claim.
    Holds,
    /// The interval lies entirely outside the claim.
    DoesNot,
    /// The interval contains the bound, or there is no measurement.
    NotShown,
}

impl Verdict {
    /// The verdict on "the quantity is above `bound`", from the quantity's interval. Not shown where the interval holds the
    /// bound or an end is not finite.
    pub fn above(bound: f64, low: f64, high: f64) -> Self {
        if !(low.is_finite() && high.is_finite()) {
            Self::NotShown
        } else if low > bound {
            Self::Holds
        } else if high < bound {
            Self::DoesNot
        } else {
            Self::NotShown
        }
    }

    /// The verdict on "the quantity is below `bound`"; otherwise as [`Verdict::above`].
    pub fn below(bound: f64, low: f64, high: f64) -> Self {
        Self::above(-bound, -high, -low)
    }

    /// Its name in tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds here",
            Self::DoesNot => "does not hold here",
            Self::NotShown => "not shown",
        }
    }
}

/// The table of claims, one row each in the order given.
pub fn table(id: &str, title: &str, claims: &[Claim]) -> Table {
    const DIGITS: usize = 3;
    let columns = ["claim", "source", "here", "evidence", "low", "high"].map(Column::new);
    let mut table = Table::new(id, title, columns);
    for claim in claims {
        let end = |end: Option<f64>| match end {
            Some(end) => Cell::number(end, DIGITS),
            None => Cell::missing("no interval"),
        };
        table.push([
            Cell::text(&claim.text),
            Cell::text(&claim.source),
            Cell::text(claim.verdict.words()),
            Cell::text(&claim.evidence),
            end(claim.low),
            end(claim.high),
        ]);
    }
    table
}
