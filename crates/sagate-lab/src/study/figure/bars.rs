//! Grouped bars with intervals, one panel or several.

use plotters::element::PathElement;
use serde::{Deserialize, Serialize};

use super::axis::{LeftOut, Span};
use super::chart::{Drawing, Plot, check_drawing, plot};
use super::check::Check;
use super::colour::Colour;
use super::frame::Frame;
use super::layout::Plan;
use super::legend::{self, Legend, Sample};
use super::sheet::{Anchor, Rect, UNITS, Words};
use super::style::Style;
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
            listed("Bars", self.names().into_iter()),
        )
    }

    /// The names of all series, in the order in which they first appear.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        names
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
        let slot = |name: &str| names.iter().position(|&other| other == name).unwrap_or_default();
        let mut legend = Legend::default();
        let mut left_out = LeftOut::default();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            legend.add(&series.name, Sample::Bar(Style::from_index(slot(&series.name))));
            for (group, bar) in series.bars.iter().enumerate() {
                left_out.place([&x, &y], [group as f64, bar.value]);
            }
        }
        let a_bar = if self.digits.is_some() { VALUE.line() } else { 5.0 };
        let groups = self.x.categories.len() as f64;
        let frame = Frame::new(&Plan {
            title: &self.title,
            notes: self
                .note
                .iter()
                .cloned()
                .chain(left_out.sentence(false))
                .collect(),
            legend: &legend,
            x: &x,
            y: &y,
            panels: self.panels.iter().map(|panel| panel.title.as_str()).collect(),
            columns: self.columns,
            aspect: if self.panels.len() == 1 { 0.5 } else { 0.66 },
            least: x.least().max(groups * names.len() as f64 * a_bar / FILLED),
        })?;
        for (panel, &place) in self.panels.iter().zip(&frame.plots) {
            let plot = plot(&frame.sheet, place, &x, &y);
            let bars = panel.series.iter().flat_map(|series| &series.bars);
            if bars.filter(|bar| y.place(bar.value).is_some()).count() == 0 {
                frame.nothing(place);
            }
            if y.low < 0.0 && y.high > 0.0 {
                let zero = vec![(x.low, 0.0), (x.high, 0.0)];
                check_drawing(
                    &self.title,
                    plot.draw(&PathElement::new(zero, Colour::DIM.stroke(1.0))),
                )?;
            }
            for series in &panel.series {
                let slot = slot(&series.name);
                for (group, bar) in series.bars.iter().enumerate() {
                    let bar_style = BarStyle {
                        middle: group as f64 - FILLED / 2.0
                            + FILLED * (slot as f64 + 0.5) / names.len() as f64,
                        width: place.width / groups * FILLED / names.len() as f64,
                        style: Style::from_index(slot),
                        digits: self.digits,
                    };
                    check_drawing(&self.title, bar_style.draw(bar, &frame, &plot, &y))?;
                }
            }
        }
        Ok(frame.sheet.finish(alt))
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
    fn draw(&self, bar: &Bar, frame: &Frame, plot: &Plot, y: &Span) -> Drawing {
        let Some(value) = y.place(bar.value) else {
            return Ok(());
        };
        let held = |value: f64| value.clamp(y.low, y.high);
        let at = |value: f64| {
            let (x, y) = plot.map_coordinate(&(self.middle, held(value)));
            (f64::from(x) / UNITS, f64::from(y) / UNITS)
        };
        let ((x, end), foot) = (at(value), at(0.0).1);
        let width = (self.width * 0.88).min(46.0);
        let place = Rect {
            x: x - width / 2.0,
            y: end.min(foot),
            width,
            height: (end - foot).abs(),
        };
        legend::bar(&frame.root, place, self.style)?;
        let below = value < 0.0;
        let mut tip = end;
        let interval = bar.interval.map(|ends| ends.map(|end| y.place(end)));
        if let Some([Some(low), Some(high)]) = interval {
            self.whisker(plot, held(low), held(high), width)?;
            tip = if below {
                tip.max(at(low).1)
            } else {
                tip.min(at(high).1)
            };
        }
        if let Some(digits) = self.digits {
            self.value(&number(bar.value, digits), frame, (x, tip), below);
        }
        Ok(())
    }

    /// An upright line from end to end with a short bar across each, in a white edge that sets it off from the bar.
    fn whisker(&self, plot: &Plot, low: f64, high: f64, width: f64) -> Drawing {
        let root = plot.strip_coord_spec();
        let [foot, head] = [low, high].map(|end| plot.map_coordinate(&(self.middle, end)));
        let half = ((width * 0.3).min(5.0) * UNITS).round() as i32;
        let across = |(x, y): (i32, i32)| vec![(x - half, y), (x + half, y)];
        for (colour, stroke) in [(Colour::PAPER, 3.0), (Colour::INK, 1.2)] {
            for path in [vec![foot, head], across(foot), across(head)] {
                root.draw(&PathElement::new(path, colour.stroke(stroke)))?;
            }
        }
        Ok(())
    }

    /// The value beyond the bar's tip, upright where it is wider than the bar.
    fn value(&self, text: &str, frame: &Frame, tip: (f64, f64), below: bool) {
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
        frame.sheet.words(&Words {
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
