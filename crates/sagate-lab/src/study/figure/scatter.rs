//! Points in groups, one panel or several.

use serde::{Deserialize, Serialize};

use super::axis::{LeftOut, Span};
use super::chart::Plot;
use super::check::Check;
use super::frame::Frame;
use super::layout::Plan;
use super::legend::{Legend, Sample};
use super::placing::{Labels, corner};
use super::style::{SeriesNames, Style, reference};
use super::{Axis, FigureError, listed};
use crate::study::serial;

/// Points: mu against Dice, say, a panel for each data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scatter {
    /// Above the figure.
    pub title: String,
    /// Below the figure; what was left out is added to it.
    pub note: Option<String>,
    /// The axis of every panel's x values.
    pub x: Axis,
    /// The axis of every panel's y values.
    pub y: Axis,
    /// At least one.
    pub panels: Vec<ScatterPanel>,
    /// Panels side by side; chosen by their number where none.
    pub columns: Option<usize>,
}

/// One panel of [`Scatter`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScatterPanel {
    /// Above the panel; may be empty.
    pub title: String,
    /// Its points. Groups of one name look alike in all panels.
    pub groups: Vec<Group>,
    /// A line through the points.
    pub trend: Option<Trend>,
    /// Words in the corner where the fewest points are, one line each, such as `Pearson r = 0.82`.
    pub corner: Vec<String>,
}

/// Points that belong together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// In the legend; may be empty.
    pub name: String,
    /// Along the x axis.
    #[serde(deserialize_with = "serial::numbers")]
    pub x: Vec<f64>,
    /// As many values.
    #[serde(deserialize_with = "serial::numbers")]
    pub y: Vec<f64>,
    /// Words beside the points: none, or as many as points.
    pub labels: Vec<String>,
}

/// A line among points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// Where both values are equal.
    Identity,
    /// The straight line of least squares in y, in the scale of the axes, through all points of the panel.
    Fitted,
}

impl Trend {
    fn label(self) -> &'static str {
        match self {
            Self::Identity => "y = x",
            Self::Fitted => "least squares",
        }
    }

    fn is_dashed(self) -> bool {
        self == Self::Identity
    }
}

impl Scatter {
    pub(super) fn alt(&self) -> String {
        let corners = self
            .panels
            .iter()
            .filter(|panel| !panel.corner.is_empty())
            .map(|panel| {
                format!("{} {}", panel.title, panel.corner.join(", "))
                    .trim()
                    .to_owned()
            });
        let corners: Vec<String> = corners.collect();
        format!(
            "Scatter plot: {}. {} against {}.{}{}{}",
            self.title,
            self.y.title(),
            self.x.title(),
            listed("Panels", self.panels.iter().map(|panel| panel.title.as_str())),
            listed("Groups", self.names().0.into_iter()),
            listed("Notes", corners.iter().map(String::as_str)),
        )
    }

    fn names(&self) -> SeriesNames<'_> {
        let groups = self.panels.iter().flat_map(|panel| &panel.groups);
        SeriesNames::new(groups.map(|group| &group.name))
    }

    fn check(&self) -> Result<(), FigureError> {
        let check = Check { figure: &self.title };
        check.some("panels", &self.panels)?;
        for (p, panel) in self.panels.iter().enumerate() {
            for (g, group) in panel.groups.iter().enumerate() {
                let field = |name: &str| format!("panels[{p}].groups[{g}].{name}");
                check.length(&field("y"), group.y.len(), "x", group.x.len())?;
                if !group.labels.is_empty() {
                    check.length(&field("labels"), group.labels.len(), "x", group.x.len())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn draw(&self, alt: &str) -> Result<String, FigureError> {
        self.check()?;
        let check = Check { figure: &self.title };
        let groups = || self.panels.iter().flat_map(|panel| &panel.groups);
        let x = self
            .x
            .span(&check, "x", groups().flat_map(|group| group.x.iter().copied()))?;
        let y = self
            .y
            .span(&check, "y", groups().flat_map(|group| group.y.iter().copied()))?;
        let names = self.names();
        let mut legend = Legend::default();
        for group in groups() {
            legend.add(&group.name, Sample::Point(names.style(&group.name)));
        }
        for trend in self.panels.iter().filter_map(|panel| panel.trend) {
            let dashed = trend.is_dashed();
            legend.add(trend.label(), Sample::Mark { dashed });
        }
        let mut left_out = LeftOut::default();
        let panels: Vec<Vec<Dot<'_>>> = self
            .panels
            .iter()
            .map(|panel| panel.dots(&names, [&x, &y], &mut left_out))
            .collect();
        let frame = Frame::new(&Plan {
            title: &self.title,
            note: self.note.as_deref(),
            left_out,
            legend: &legend,
            x: &x,
            y: &y,
            panels: self.panels.iter().map(|panel| panel.title.as_str()).collect(),
            columns: self.columns,
            aspect: if self.panels.len() == 1 { 0.62 } else { 0.85 },
            least: x.least(),
        })?;
        for ((panel, dots), plot) in self.panels.iter().zip(&panels).zip(frame.plots()) {
            panel.draw(dots, &plot);
        }
        Ok(frame.sheet.finish(alt))
    }
}

/// A point in the scales of the axes.
struct Dot<'a> {
    at: (f64, f64),
    style: Style,
    label: &'a str,
}

impl ScatterPanel {
    /// The points that lie within the axes.
    fn dots(&self, names: &SeriesNames<'_>, spans: [&Span; 2], left_out: &mut LeftOut) -> Vec<Dot<'_>> {
        let mut dots = Vec::new();
        for group in &self.groups {
            for (index, (&x, &y)) in group.x.iter().zip(&group.y).enumerate() {
                let Some(at) = left_out.place(spans, [x, y]) else {
                    continue;
                };
                if spans[0].holds(at.0) && spans[1].holds(at.1) {
                    dots.push(Dot {
                        at,
                        style: names.style(&group.name),
                        label: group.labels.get(index).map_or("", String::as_str),
                    });
                }
            }
        }
        dots
    }

    fn draw(&self, dots: &[Dot<'_>], plot: &Plot<'_>) {
        if dots.is_empty() {
            plot.nothing();
        }
        if let Some(trend) = self.trend {
            let line = match trend {
                Trend::Identity => identity(plot.x, plot.y),
                Trend::Fitted => fitted(dots, plot.x),
            };
            let line: Vec<Option<(f64, f64)>> = line.into_iter().map(Some).collect();
            plot.curve(&line, reference(trend.is_dashed()));
        }
        // Many points are drawn smaller and let each other show through.
        let (size, opacity) = match dots.len() {
            0..=60 => (4.2, 0.9),
            61..=300 => (3.4, 0.65),
            _ => (2.6, 0.5),
        };
        let points: Vec<(f64, f64)> = dots.iter().map(|dot| plot.at(dot.at)).collect();
        for (dot, &point) in dots.iter().zip(&points) {
            dot.style.point(plot.sheet, point, size, opacity);
        }
        let taken = corner(plot.sheet, &self.corner, plot.place, &points);
        let mut labels = Labels::new(plot.place, size, &points, taken);
        for (dot, &point) in dots.iter().zip(&points) {
            labels.draw(plot.sheet, point, dot.label);
        }
    }
}

/// Points of the line of equal values; a curve where only one axis is logarithmic.
fn identity(x: &Span, y: &Span) -> Vec<(f64, f64)> {
    const STEPS: u32 = 100;
    (0..=STEPS)
        .map(|step| x.low + (x.high - x.low) * f64::from(step) / f64::from(STEPS))
        .filter_map(|at| {
            let value = if x.log { 10f64.powf(at) } else { at };
            Some((at, y.place(value)?))
        })
        .collect()
}

/// Both ends of the line of least squares; none where all x are alike.
fn fitted(dots: &[Dot<'_>], x: &Span) -> Vec<(f64, f64)> {
    let count = dots.len() as f64;
    let mean = |part: fn(&Dot<'_>) -> f64| dots.iter().map(part).sum::<f64>() / count;
    let (mx, my) = (mean(|dot| dot.at.0), mean(|dot| dot.at.1));
    let spread: f64 = dots.iter().map(|dot| (dot.at.0 - mx).powi(2)).sum();
    let product: f64 = dots.iter().map(|dot| (dot.at.0 - mx) * (dot.at.1 - my)).sum();
    let slope = product / spread;
    if !slope.is_finite() {
        return Vec::new();
    }
    let ends = dots.iter().map(|dot| dot.at.0);
    let low = ends.clone().fold(x.high, f64::min);
    let high = ends.fold(x.low, f64::max);
    [low, high].map(|at| (at, my + slope * (at - mx))).to_vec()
}
