//! Curves over a common axis, one panel or several.

use serde::{Deserialize, Serialize};

use super::axis::{LeftOut, Span};
use super::chart::Plot;
use super::check::Check;
use super::curve::Curve;
use super::frame::Frame;
use super::layout::Plan;
use super::legend::{Legend, Sample};
use super::style::{SeriesNames, reference};
use super::{Axis, FigureError, listed};
use crate::study::serial;

/// Curves: a panel for each data set, say, all with the same axes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// Above the figure.
    pub title: String,
    /// Below the figure; what was left out is added to it.
    pub note: Option<String>,
    /// The axis of every panel's x values.
    pub x: Axis,
    /// The axis of every panel's y values.
    pub y: Axis,
    /// At least one.
    pub panels: Vec<LinePanel>,
    /// Panels side by side; chosen by their number where none.
    pub columns: Option<usize>,
}

/// One panel of [`Lines`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LinePanel {
    /// Above the panel; may be empty.
    pub title: String,
    /// Its curves. Those of one name look alike in all panels.
    pub series: Vec<Series>,
    /// Its reference lines.
    pub marks: Vec<Mark>,
}

/// One curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Along the x axis, in the order in which they are joined.
    #[serde(deserialize_with = "serial::numbers")]
    pub x: Vec<f64>,
    /// As many values. The curve breaks at one that is not finite.
    #[serde(deserialize_with = "serial::numbers")]
    pub y: Vec<f64>,
    /// Between which values the y values may as well lie.
    pub band: Option<Band>,
    /// Dashed instead of drawn through.
    pub dashed: bool,
}

/// An interval for each point of a curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Lower ends, as many as points.
    #[serde(deserialize_with = "serial::numbers")]
    pub low: Vec<f64>,
    /// Upper ends, as many as points.
    #[serde(deserialize_with = "serial::numbers")]
    pub high: Vec<f64>,
}

/// A reference line right through a panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "axis", rename_all = "snake_case")]
pub enum Mark {
    /// Upright, at this x value.
    X {
        /// Where.
        at: f64,
        /// In the legend; may be empty.
        label: String,
    },
    /// Level, at this y value.
    Y {
        /// Where.
        at: f64,
        /// In the legend; may be empty.
        label: String,
    },
}

impl Mark {
    fn label(&self) -> &str {
        match self {
            Self::X { label, .. } | Self::Y { label, .. } => label,
        }
    }
}

impl Lines {
    pub(super) fn alt(&self) -> String {
        format!(
            "Line chart: {}. {} against {}.{}{}",
            self.title,
            self.y.title(),
            self.x.title(),
            listed("Panels", self.panels.iter().map(|panel| panel.title.as_str())),
            listed("Curves", self.names().0.into_iter()),
        )
    }

    fn names(&self) -> SeriesNames<'_> {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        SeriesNames::new(series.map(|series| &series.name))
    }

    fn check(&self) -> Result<(), FigureError> {
        let check = Check { figure: &self.title };
        check.some("panels", &self.panels)?;
        for (p, panel) in self.panels.iter().enumerate() {
            for (s, series) in panel.series.iter().enumerate() {
                let field = |name: &str| format!("panels[{p}].series[{s}].{name}");
                let points = series.x.len();
                check.length(&field("y"), series.y.len(), "x", points)?;
                if let Some(band) = &series.band {
                    check.length(&field("band.low"), band.low.len(), "x", points)?;
                    check.length(&field("band.high"), band.high.len(), "x", points)?;
                }
            }
        }
        Ok(())
    }

    fn spans(&self) -> Result<[Span; 2], FigureError> {
        let check = Check { figure: &self.title };
        let series = || self.panels.iter().flat_map(|panel| &panel.series);
        let marks = || self.panels.iter().flat_map(|panel| &panel.marks);
        let x = series().flat_map(|series| series.x.iter().copied());
        let x = x.chain(marks().filter_map(|mark| match mark {
            Mark::X { at, .. } => Some(*at),
            Mark::Y { .. } => None,
        }));
        let y = series().flat_map(|series| {
            let band = series
                .band
                .iter()
                .flat_map(|band| band.low.iter().chain(&band.high));
            series.y.iter().chain(band).copied()
        });
        let y = y.chain(marks().filter_map(|mark| match mark {
            Mark::Y { at, .. } => Some(*at),
            Mark::X { .. } => None,
        }));
        Ok([self.x.span(&check, "x", x)?, self.y.span(&check, "y", y)?])
    }

    pub(super) fn draw(&self, alt: &str) -> Result<String, FigureError> {
        self.check()?;
        let [x, y] = self.spans()?;
        let names = self.names();
        let mut left_out = LeftOut::default();
        let mut legend = Legend::default();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            let sample = Sample::Curve {
                style: names.style(&series.name),
                dashed: series.dashed,
            };
            legend.add(&series.name, sample);
            for (&vx, &vy) in series.x.iter().zip(&series.y) {
                left_out.place([&x, &y], [vx, vy]);
            }
        }
        for mark in self.panels.iter().flat_map(|panel| &panel.marks) {
            legend.add(mark.label(), Sample::Mark { dashed: true });
        }
        let frame = Frame::new(&Plan {
            title: &self.title,
            note: self.note.as_deref(),
            left_out,
            legend: &legend,
            x: &x,
            y: &y,
            panels: self.panels.iter().map(|panel| panel.title.as_str()).collect(),
            columns: self.columns,
            aspect: if self.panels.len() == 1 { 0.56 } else { 0.72 },
            least: x.least(),
        })?;
        for (panel, plot) in self.panels.iter().zip(frame.plots()) {
            panel.draw(&plot, &names);
        }
        Ok(frame.sheet.finish(alt))
    }
}

impl LinePanel {
    fn draw(&self, plot: &Plot<'_>, names: &SeriesNames<'_>) {
        let curves: Vec<Curve<'_>> = self
            .series
            .iter()
            .map(|series| Curve::new(series, names.style(&series.name), plot))
            .collect();
        if curves
            .iter()
            .all(|curve| curve.points.iter().all(Option::is_none))
        {
            plot.nothing();
        }
        let (x, y, paint) = (plot.x, plot.y, reference(true));
        for mark in &self.marks {
            match mark {
                Mark::X { at, .. } => {
                    if let Some(at) = x.place(*at).filter(|&at| x.holds(at)) {
                        plot.path(&[(at, y.low), (at, y.high)], paint);
                    }
                }
                Mark::Y { at, .. } => {
                    if let Some(at) = y.place(*at).filter(|&at| y.holds(at)) {
                        plot.path(&[(x.low, at), (x.high, at)], paint);
                    }
                }
            }
        }
        for curve in &curves {
            curve.band(plot);
        }
        for (index, curve) in curves.iter().enumerate() {
            curve.draw(plot, index);
        }
    }
}
