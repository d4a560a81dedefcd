//! One curve with its band and its markers.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{DashedPathElement, PathElement, Polygon};

use super::axis::Span;
use super::chart::{Drawing, Plot, within};
use super::legend::{CURVE, DASH, DASH_GAP};
use super::lines::Series;
use super::sheet::Sheet;
use super::style::Style;

/// A series in the scales of the axes.
pub(super) struct Curve<'a> {
    series: &'a Series,
    style: Style,
    /// None where a point cannot be drawn.
    pub points: Vec<Option<(f64, f64)>>,
}

impl<'a> Curve<'a> {
    pub fn new(series: &'a Series, style: Style, spans: [&Span; 2]) -> Self {
        let place = |(&x, &y)| Some((spans[0].place(x)?, spans[1].place(y)?));
        Self {
            series,
            style,
            points: series.x.iter().zip(&series.y).map(place).collect(),
        }
    }

    /// The band, broken where either end is missing, its ends held within the axes.
    pub fn band(&self, plot: &Plot, spans: [&Span; 2]) -> Drawing {
        let Some(band) = &self.series.band else {
            return Ok(());
        };
        let held = |value: f64| Some(spans[1].place(value)?.clamp(spans[1].low, spans[1].high));
        let ends: Vec<Option<(f64, f64, f64)>> = (0..self.points.len())
            .map(|index| {
                let (x, _) = self.points[index].filter(|point| spans[0].holds(point.0))?;
                Some((x, held(band.low[index])?, held(band.high[index])?))
            })
            .collect();
        for run in ends.split(Option::is_none) {
            let run: Vec<(f64, f64, f64)> = run.iter().copied().flatten().collect();
            if run.len() < 2 {
                for (x, low, high) in run {
                    plot.draw(&PathElement::new(
                        vec![(x, low), (x, high)],
                        self.style.colour.stroke(1.0),
                    ))?;
                }
                continue;
            }
            let upper = run.iter().map(|&(x, _, high)| (x, high));
            let lower = run.iter().rev().map(|&(x, low, _)| (x, low));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            plot.draw(&Polygon::new(outline, self.style.colour.fill(0.16)))?;
        }
        Ok(())
    }

    /// The curve, and a marker at each point where there are few, at some where there are many: not at the same ones
    /// (`index` tells) in each curve.
    pub fn draw(
        &self,
        plot: &Plot,
        root: &DrawingArea<Sheet, Shift>,
        spans: [&Span; 2],
        index: usize,
    ) -> Drawing {
        let stroke = self.style.colour.stroke(CURVE);
        for run in within(&self.points, spans[0], spans[1]) {
            if self.series.dashed {
                plot.draw(&DashedPathElement::new(run, DASH, DASH_GAP, stroke))?;
            } else {
                plot.draw(&PathElement::new(run, stroke))?;
            }
        }
        let every = if self.points.len() <= 40 {
            1
        } else {
            self.points.len().div_ceil(12)
        };
        let alone = |at: usize| {
            let missing =
                |at: Option<usize>| at.and_then(|at| self.points.get(at)).is_none_or(Option::is_none);
            missing(at.checked_sub(1)) && missing(Some(at + 1))
        };
        for (at, point) in self.points.iter().enumerate() {
            let shown = (at + index * 2).is_multiple_of(every) || alone(at);
            let within = point.filter(|point| spans[0].holds(point.0) && spans[1].holds(point.1));
            if let Some(point) = within.filter(|_| shown) {
                let at = plot.map_coordinate(&point);
                self.style.marker.draw(root, at, 3.2, self.style.colour, 1.0)?;
            }
        }
        Ok(())
    }
}
