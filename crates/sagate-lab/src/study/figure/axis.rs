//! Axes and their ranges.

use serde::{Deserialize, Serialize};

use super::FigureError;
use super::check::Check;
use super::ticks::{self, Tick};

/// Values beyond this are drawn as infinite.
const HUGE: f64 = 1e150;

/// An axis of a chart: `Axis::new("Dice").unit("%").range(0.0, 100.0)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What is measured.
    pub label: String,
    /// In what; none for shares and scores.
    pub unit: Option<String>,
    /// From where to where; chosen to hold all values where none.
    pub range: Option<[f64; 2]>,
    /// Equal steps are equal factors. Values of 0 and below cannot be shown then.
    pub log: bool,
    /// Category names instead of numbers: value `i` of a series is at name `i` (from 0).
    pub categories: Vec<String>,
}

impl Axis {
    /// An axis with this label, as long as its values need.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// With the unit of its values.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// From `low` to `high`.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// With a logarithmic scale.
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// With category names instead of numbers: value 0 is the first.
    pub fn categories<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.categories = names.into_iter().map(Into::into).collect();
        self
    }

    /// The label with its unit.
    pub(super) fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} [{unit}]", self.label),
            None => self.label.clone(),
        }
    }

    /// The axis that holds these values.
    pub(super) fn span(
        &self,
        check: &Check<'_>,
        name: &str,
        values: impl Iterator<Item = f64>,
    ) -> Result<Span, FigureError> {
        if self.log && !self.categories.is_empty() {
            return check.fails(
                format!("{name}.log"),
                "true for categories",
                "false: names have no scale",
            );
        }
        let [low, high] = match self.range {
            Some([low, high]) => {
                let drawable = |end: f64| end.abs() < HUGE && (!self.log || end > 0.0);
                if !(drawable(low) && drawable(high) && low < high) {
                    let above = if self.log { ", both above 0" } else { "" };
                    return check.fails(
                        format!("{name}.range"),
                        format!("{low} to {high}"),
                        format!("two finite numbers, the lower one first{above}"),
                    );
                }
                [self.scaled(low), self.scaled(high)]
            }
            None if !self.categories.is_empty() => [-0.5, self.categories.len() as f64 - 0.5],
            None => self.around(values),
        };
        Ok(Span {
            low,
            high,
            log: self.log,
            categories: self.categories.clone(),
            title: self.title(),
        })
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// Ends that hold the values with a little room beyond them, in the axis's scale.
    fn around(&self, values: impl Iterator<Item = f64>) -> [f64; 2] {
        let (low, high) = values
            .filter(|&value| value.abs() < HUGE && (!self.log || value > 0.0))
            .map(|value| self.scaled(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            [0.0, 1.0]
        } else if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let room = if low == 0.0 || self.log {
                0.5
            } else {
                low.abs() * 0.1
            };
            [low - room, high + room]
        } else {
            let room = (high - low) * 0.04;
            // A score that touches 0 does not get an axis with negative scores.
            let foot = if !self.log && low >= 0.0 {
                0.0
            } else {
                f64::NEG_INFINITY
            };
            [(low - room).max(foot), high + room]
        }
    }
}

/// An axis with its ends, in the scale in which it is drawn: logarithms to base 10 where it is logarithmic.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub low: f64,
    pub high: f64,
    pub log: bool,
    pub categories: Vec<String>,
    pub title: String,
}

impl Span {
    /// The least pixels that its categories need: those with names need a line of letters each, numbers are thinned out.
    pub fn least(&self) -> f64 {
        let numbers = self.categories.iter().all(|name| name.parse::<f64>().is_ok());
        self.categories.len() as f64 * if numbers { 6.0 } else { 12.5 }
    }

    /// Where a value lies in the scale; none where it cannot be drawn. It may lie beyond the ends.
    pub fn place(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || value.abs() >= HUGE || (self.log && value <= 0.0) {
            return None;
        }
        Some(if self.log { value.log10() } else { value })
    }

    pub fn holds(&self, place: f64) -> bool {
        // The tolerance forgives the rounding of a logarithm.
        let room = (self.high - self.low) * 1e-9;
        (self.low - room..=self.high + room).contains(&place)
    }

    /// How far along the axis a place of its scale lies: 0 at the lower end, 1 at the upper one.
    pub fn along(&self, place: f64) -> f64 {
        (place - self.low) / (self.high - self.low)
    }

    /// Some `wanted` ticks between the ends, or one a category.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        if !self.categories.is_empty() {
            return self
                .categories
                .iter()
                .enumerate()
                .map(|(index, name)| Tick {
                    at: index as f64,
                    label: name.clone(),
                })
                .filter(|tick| self.holds(tick.at))
                .collect();
        }
        if self.log {
            ticks::logarithmic(self.low, self.high, wanted)
        } else {
            ticks::linear(self.low, self.high, wanted)
        }
    }
}

/// Counts of values that were left out of a figure, for its note.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct LeftOut {
    /// Values that are no numbers, infinite, or 0 and below on a logarithmic axis.
    pub undrawable: usize,
    /// Values beyond the ends of an axis.
    pub beyond: usize,
}

impl LeftOut {
    /// Where a point lies in the two scales; counted where it cannot be drawn or lies beyond an axis, and none where it
    /// cannot be drawn.
    pub fn place(&mut self, spans: [&Span; 2], point: [f64; 2]) -> Option<(f64, f64)> {
        let (Some(x), Some(y)) = (spans[0].place(point[0]), spans[1].place(point[1])) else {
            self.undrawable += 1;
            return None;
        };
        if !(spans[0].holds(x) && spans[1].holds(y)) {
            self.beyond += 1;
        }
        Some((x, y))
    }

    /// The sentence for the note, or none where nothing was left out.
    pub fn sentence(&self, log: bool) -> Option<String> {
        let mut parts = Vec::new();
        if self.undrawable > 0 {
            let why = if log {
                "not finite, or not above 0 on a logarithmic axis"
            } else {
                "not finite"
            };
            parts.push(format!("{} {why}", counted(self.undrawable)));
        }
        if self.beyond > 0 {
            parts.push(format!("{} beyond the axes", counted(self.beyond)));
        }
        (!parts.is_empty()).then(|| format!("Left out: {}.", parts.join("; ")))
    }
}

fn counted(count: usize) -> String {
    if count == 1 {
        "1 value".to_owned()
    } else {
        format!("{count} values")
    }
}
