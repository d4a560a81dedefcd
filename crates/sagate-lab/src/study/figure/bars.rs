//! Grouped bars with intervals, one panel or several.

use serde::{Deserialize, Serialize};

use super::axis::{LeftOut, Span};
use super::chart::Plot;
use super::check::Check;
use super::colour::Colour;
use super::frame::Frame;
use super::layout::Plan;
use super::legend::{Legend, Sample};
use super::sheet::{Anchor, Rect, Words};
use super::style::{SeriesNames, Style};
use super::text::Font;
use super::ticks::number;
use super::{Axis, FigureError, listed};
use crate::study::serial;

/// How much of a group's width its bars take.
const FILLED: f64 = 0.8;
const VALUE: Font = Font::SMALL;

/// Bars: a group for each name of the x axis, in it a bar for each series, a panel for each data set, say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Above the figure.
    pub title: String,
    /// Below the figure; what was left out is added to it.
    pub note: Option<String>,
    /// The groups: an axis with categories.
    pub x: Axis,
    /// The axis of the values. Without a range it begins or ends at 0, so that lengths can be compared.
    pub y: Axis,
    /// At least one.
    pub panels: Vec<BarPanel>,
    /// Panels side by side; chosen by their number where none.
    pub columns: Option<usize>,
    /// Digits after the point of the values that stand at the bars; none where no values shall stand there.
    pub digits: Option<usize>,
}

/// One panel of [`Bars`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BarPanel {
    /// Above the panel; may be empty.
    pub title: String,
    /// Its bars. Series of one name look alike in all panels.
    pub series: Vec<BarSeries>,
}

/// The bars of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BarSeries {
    /// In the legend.
    pub name: String,
    /// As many as groups.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Its height. No bar where it is not finite.
    #[serde(deserialize_with = "serial::number")]
    pub value: f64,
    /// Between which values it may as well lie, the lower one first.
    pub interval: Option<[f64; 2]>,
}

impl Bar {
    /// A bar without an interval.
    pub fn new(value: f64) -> Self {
        Self {
            value,
            interval: None,
        }
    }

    /// A bar with its interval.
    pub fn with(value: f64, low: f64, high: f64) -> Self {
        Self {
            value,
            interval: Some([low, high]),
        }
    }
}

impl Bars {
    pub(super) fn alt(&self) -> String {
        format!(
            "Bar chart: {}. {} for each {}.{}{}{}",
            self.title,
            self.y.title(),
            self.x.title(),
            listed("Panels", self.panels.iter().map(|panel| panel.title.as_str())),
            listed("Groups", self.x.categories.iter().map(String::as_str)),
            listed("Bars", self.names().0.into_iter()),
        )
    }

    fn names(&self) -> SeriesNames<'_> {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        SeriesNames::new(series.map(|series| &series.name))
    }

    fn check(&self) -> Result<(), FigureError> {
        let check = Check { figure: &self.title };
        check.some("panels", &self.panels)?;
        check.some("x.categories", &self.x.categories)?;
        if self.y.log {
            return check.fails("y.log", "true", "false: a bar on a logarithmic axis has no foot");
        }
        for (p, panel) in self.panels.iter().enumerate() {
            for (s, series) in panel.series.iter().enumerate() {
                let field = format!("panels[{p}].series[{s}].bars");
                check.length(&field, series.bars.len(), "x.categories", self.x.categories.len())?;
            }
        }
        Ok(())
    }

    fn spans(&self) -> Result<[Span; 2], FigureError> {
        let check = Check { figure: &self.title };
        let bars = || {
            let series = self.panels.iter().flat_map(|panel| &panel.series);
            series.flat_map(|series| &series.bars)
        };
        let x = self.x.span(&check, "x", std::iter::empty())?;
        let ends = bars().flat_map(|bar| bar.interval.into_iter().flatten().chain([bar.value]));
        let mut y = self.y.span(&check, "y", ends.chain([0.0]))?;
        if self.y.range.is_none() {
            let negative = bars().any(|bar| bar.value < 0.0);
            let room = if self.digits.is_some() {
                0.1 * (y.high - y.low)
            } else {
                0.0
            };
            y.high += room;
            if negative {
                y.low -= room;
            }
        }
        Ok([x, y])
    }

    pub(super) fn draw(&self, alt: &str) -> Result<String, FigureError> {
        self.check()?;
        let [x, y] = self.spans()?;
        let names = self.names();
        let mut legend = Legend::default();
        let mut left_out = LeftOut::default();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            legend.add(&series.name, Sample::Bar(names.style(&series.name)));
            for (group, bar) in series.bars.iter().enumerate() {
                left_out.place([&x, &y], [group as f64, bar.value]);
            }
        }
        let a_bar = if self.digits.is_some() { VALUE.line() } else { 5.0 };
        let groups = self.x.categories.len() as f64;
        let frame = Frame::new(&Plan {
            title: &self.title,
            note: self.note.as_deref(),
            left_out,
            legend: &legend,
            x: &x,
            y: &y,
            panels: self.panels.iter().map(|panel| panel.title.as_str()).collect(),
            columns: self.columns,
            aspect: if self.panels.len() == 1 { 0.5 } else { 0.66 },
            least: x.least().max(groups * names.0.len() as f64 * a_bar / FILLED),
        })?;
        for (panel, plot) in self.panels.iter().zip(frame.plots()) {
            panel.draw(&plot, &names, self.digits);
        }
        Ok(frame.sheet.finish(alt))
    }
}

impl BarPanel {
    fn draw(&self, plot: &Plot<'_>, names: &SeriesNames<'_>, digits: Option<usize>) {
        let (x, y) = (plot.x, plot.y);
        let mut bars = self.series.iter().flat_map(|series| &series.bars);
        if bars.all(|bar| y.place(bar.value).is_none()) {
            plot.nothing();
        }
        if y.low < 0.0 && y.high > 0.0 {
            plot.path(&[(x.low, 0.0), (x.high, 0.0)], Colour::DIM.stroke(1.0));
        }
        let count = names.0.len() as f64;
        let groups = x.categories.len() as f64;
        for series in &self.series {
            let slot = names.index(&series.name) as f64;
            for (group, bar) in series.bars.iter().enumerate() {
                let bar_style = BarStyle {
                    middle: group as f64 - FILLED / 2.0 + FILLED * (slot + 0.5) / count,
                    width: plot.place.width / groups * FILLED / count,
                    style: names.style(&series.name),
                    digits,
                };
                bar_style.draw(bar, plot);
            }
        }
    }
}

/// Where a bar stands and how it looks.
struct BarStyle {
    /// Its middle along the x axis.
    middle: f64,
    /// Pixels that it may take.
    width: f64,
    style: Style,
    digits: Option<usize>,
}

impl BarStyle {
    fn draw(&self, bar: &Bar, plot: &Plot<'_>) {
        let y = plot.y;
        let Some(value) = y.place(bar.value) else {
            return;
        };
        let at = |value: f64| plot.at((self.middle, value.clamp(y.low, y.high)));
        let ((x, end), (_, foot)) = (at(value), at(0.0));
        let width = (self.width * 0.88).min(46.0);
        let place = Rect {
            x: x - width / 2.0,
            y: end.min(foot),
            width,
            height: (end - foot).abs(),
        };
        self.style.bar(plot.sheet, place);
        let below = value < 0.0;
        let mut tip = end;
        let interval = bar.interval.map(|ends| ends.map(|end| y.place(end)));
        if let Some([Some(low), Some(high)]) = interval {
            let (low, high) = (at(low), at(high));
            whisker(plot, low, high, width);
            tip = if below { tip.max(low.1) } else { tip.min(high.1) };
        }
        if let Some(digits) = self.digits {
            self.value(&number(bar.value, digits), plot, (x, tip), below);
        }
    }

    /// The value beyond the bar's tip, upright where it is wider than the bar.
    fn value(&self, text: &str, plot: &Plot<'_>, tip: (f64, f64), below: bool) {
        let level = VALUE.width(text) <= self.width;
        let away = if below { 4.0 } else { -4.0 };
        let (at, anchor) = match (level, below) {
            (true, false) => ((tip.0, tip.1 + away), Anchor::Middle),
            (true, true) => ((tip.0, tip.1 + away + VALUE.size * 0.75), Anchor::Middle),
            (false, _) => (
                (tip.0 + VALUE.size * 0.36, tip.1 + away),
                if below { Anchor::End } else { Anchor::Start },
            ),
        };
        plot.sheet.words(&Words {
            text,
            at,
            font: VALUE,
            anchor,
            colour: Colour::INK,
            turned: if level { 0 } else { -90 },
            whole: None,
            halo: true,
        });
    }
}

/// An upright line between two points (in pixels) with a short bar across each, in a white edge that sets it off from the
/// bar.
fn whisker(plot: &Plot<'_>, low: (f64, f64), high: (f64, f64), width: f64) {
    let half = (width * 0.3).min(5.0);
    let across = |(x, y): (f64, f64)| [(x - half, y), (x + half, y)];
    for (colour, stroke) in [(Colour::PAPER, 3.0), (Colour::INK, 1.2)] {
        for path in [[low, high], across(low), across(high)] {
            plot.sheet.path(&path, colour.stroke(stroke));
        }
    }
}
