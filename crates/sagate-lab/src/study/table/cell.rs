//! Cells of a table.

use serde::{Deserialize, Serialize};

use crate::study::serial;

/// One cell. `digits` are those after the point in the forms for people; the forms for programs keep the whole number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cell {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A number.
    Number {
        /// The number.
        #[serde(deserialize_with = "serial::number")]
        value: f64,
        /// Digits after the point.
        digits: usize,
    },
    /// A mean with its interval.
    Estimate {
        /// The mean.
        #[serde(deserialize_with = "serial::number")]
        mean: f64,
        /// The standard deviation of what the mean is of.
        sd: Option<f64>,
        /// The lower end of the mean's interval, as of a bootstrap.
        #[serde(deserialize_with = "serial::number")]
        low: f64,
        /// The upper end.
        #[serde(deserialize_with = "serial::number")]
        high: f64,
        /// Digits after the point.
        digits: usize,
    },
    /// A share, shown in percent.
    Percent {
        /// The share: 1 is 100 %.
        #[serde(deserialize_with = "serial::number")]
        share: f64,
        /// Digits after the point of the percentage.
        digits: usize,
    },
    /// How many.
    Count {
        /// The number.
        count: u64,
    },
    /// No value, and why.
    Missing {
        /// Why, in a few words.
        reason: String,
    },
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A number with so many digits after the point.
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number { value, digits }
    }

    /// A mean with the interval from `low` to `high`.
    pub fn estimate(mean: f64, sd: Option<f64>, low: f64, high: f64, digits: usize) -> Self {
        Self::Estimate {
            mean,
            sd,
            low,
            high,
            digits,
        }
    }

    /// A share of 1, shown in percent with so many digits after the point.
    pub fn percent(share: f64, digits: usize) -> Self {
        Self::Percent { share, digits }
    }

    /// How many.
    pub fn count(count: u64) -> Self {
        Self::Count { count }
    }

    /// No value, and why.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self::Missing {
            reason: reason.into(),
        }
    }

    /// The cell for people: `0.87`, `0.87 ± 0.03 (0.80 to 0.91)`, `12.5 %`, or in brackets why there is nothing.
    pub fn plain(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Number { value, digits } => rounded(*value, *digits),
            Self::Estimate {
                mean,
                sd,
                low,
                high,
                digits,
            } => {
                let spread = sd.map_or_else(String::new, |sd| format!(" ± {}", rounded(sd, *digits)));
                format!(
                    "{}{spread} ({} to {})",
                    rounded(*mean, *digits),
                    rounded(*low, *digits),
                    rounded(*high, *digits)
                )
            }
            Self::Percent { share, digits } => format!("{} %", rounded(share * 100.0, *digits)),
            Self::Count { count } => count.to_string(),
            Self::Missing { reason } => format!("({reason})"),
        }
    }

    /// The number that the cell sorts by, if it is one.
    pub(super) fn value(&self) -> Option<f64> {
        match self {
            Self::Text { .. } | Self::Missing { .. } => None,
            Self::Number { value, .. } => Some(*value),
            Self::Estimate { mean, .. } => Some(*mean),
            Self::Percent { share, .. } => Some(*share),
            Self::Count { count } => Some(*count as f64),
        }
    }
}

/// Rounded to so many digits, without a minus before zero.
fn rounded(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    // More digits than a number has only pad it.
    let text = format!("{value:.0$}", digits.min(17));
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}
