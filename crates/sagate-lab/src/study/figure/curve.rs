//! One curve with its band and its markers.

use super::chart::Plot;
use super::lines::Series;
use super::style::Style;

/// A series in the scales of the axes.
pub(super) struct Curve<'a> {
    series: &'a Series,
    style: Style,
    /// None where a point cannot be drawn.
    pub points: Vec<Option<(f64, f64)>>,
}

impl<'a> Curve<'a> {
    pub fn new(series: &'a Series, style: Style, plot: &Plot<'_>) -> Self {
        let place = |(&x, &y)| Some((plot.x.place(x)?, plot.y.place(y)?));
        Self {
            series,
            style,
            points: series.x.iter().zip(&series.y).map(place).collect(),
        }
    }

    /// The band, broken where either end is missing, its ends held within the axes.
    pub fn band(&self, plot: &Plot<'_>) {
        let Some(band) = &self.series.band else {
            return;
        };
        let held = |value: f64| Some(plot.y.place(value)?.clamp(plot.y.low, plot.y.high));
        let ends: Vec<Option<(f64, f64, f64)>> = (0..self.points.len())
            .map(|index| {
                let (x, _) = self.points[index].filter(|point| plot.x.holds(point.0))?;
                Some((x, held(band.low[index])?, held(band.high[index])?))
            })
            .collect();
        for run in ends.split(Option::is_none) {
            let run: Vec<(f64, f64, f64)> = run.iter().copied().flatten().collect();
            if run.len() < 2 {
                for (x, low, high) in run {
                    plot.path(&[(x, low), (x, high)], self.style.colour.stroke(1.0));
                }
                continue;
            }
            let upper = run.iter().map(|&(x, _, high)| (x, high));
            let lower = run.iter().rev().map(|&(x, low, _)| (x, low));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            plot.polygon(&outline, self.style.colour.fill(0.16));
        }
    }

    /// The curve, and a marker at each point where there are few, at some where there are many: not at the same ones
    /// (`index` tells) in each curve.
    pub fn draw(&self, plot: &Plot<'_>, index: usize) {
        plot.curve(&self.points, self.style.curve(self.series.dashed));
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
            if let Some(point) = point.filter(|&point| shown && plot.holds(point)) {
                self.style.point(plot.sheet, plot.at(point), 3.2, 1.0);
            }
        }
    }
}
