//! One panel of a chart: its area on the sheet with the scales of its axes, and clipping of curves.

use std::convert::Infallible;
use std::ops::Range;

use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};

use super::FigureError;
use super::axis::Span;
use super::sheet::{Rect, Sheet, UNITS};

/// The result of drawing with plotters.
pub(super) type Drawing<T = ()> = Result<T, DrawingAreaErrorKind<Infallible>>;

/// Adds the figure's title to an error of plotters.
pub(super) fn check_drawing(figure: &str, drawing: Drawing) -> Result<(), FigureError> {
    drawing.map_err(|error| FigureError::Drawing {
        figure: figure.to_owned(),
        message: error.to_string(),
    })
}

/// The sheet in the scales of a panel's axes.
pub(super) type Plot = DrawingArea<Sheet, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The panel that lies at `place`.
pub(super) fn plot(sheet: &Sheet, place: Rect, x: &Span, y: &Span) -> Plot {
    let units = |pixels: f64| (pixels * UNITS).round() as i32;
    let across: Range<i32> = units(place.x)..units(place.right());
    let down: Range<i32> = units(place.bottom())..units(place.y);
    sheet
        .area()
        .apply_coord_spec(Cartesian2d::new(x.low..x.high, y.low..y.high, (across, down)))
}

/// The parts of a curve that lie within the axes. The curve breaks where a point is missing.
pub(super) fn within(points: &[Option<(f64, f64)>], x: &Span, y: &Span) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in points.windows(2) {
        let (Some(from), Some(to)) = (pair[0], pair[1]) else {
            continue;
        };
        let Some((from, to)) = cut(from, to, x, y) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.last() == Some(&from) => run.push(to),
            _ => runs.push(vec![from, to]),
        }
    }
    runs
}

/// The part of a straight line that lies within the axes (Liang and Barsky).
fn cut(from: (f64, f64), to: (f64, f64), x: &Span, y: &Span) -> Option<((f64, f64), (f64, f64))> {
    if [from, to]
        .iter()
        .all(|point| x.holds(point.0) && y.holds(point.1))
    {
        return Some((from, to));
    }
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut first, mut last) = (0.0f64, 1.0f64);
    let edges = [
        (-dx, from.0 - x.low),
        (dx, x.high - from.0),
        (-dy, from.1 - y.low),
        (dy, y.high - from.1),
    ];
    for (towards, room) in edges {
        if towards == 0.0 && room < 0.0 {
            return None;
        }
        let at = room / towards;
        if towards < 0.0 {
            first = first.max(at);
        } else if towards > 0.0 {
            last = last.min(at);
        }
    }
    let at = |part: f64| {
        if part <= 0.0 {
            from
        } else if part >= 1.0 {
            to
        } else {
            (from.0 + part * dx, from.1 + part * dy)
        }
    };
    (first < last).then(|| (at(first), at(last)))
}

#[cfg(test)]
mod tests {
    use super::super::axis::Span;
    use super::within;

    fn unit() -> Span {
        Span {
            low: 0.0,
            high: 1.0,
            log: false,
            categories: Vec::new(),
            title: String::new(),
        }
    }

    #[test]
    fn curves_break_at_gaps_and_at_the_axes() {
        let points = [
            Some((0.0, 0.5)),
            Some((0.5, 0.5)),
            None,
            Some((0.5, 0.0)),
            Some((0.5, 2.0)),
            Some((1.0, 0.0)),
        ];
        assert_eq!(
            within(&points, &unit(), &unit()),
            [
                vec![(0.0, 0.5), (0.5, 0.5)],
                vec![(0.5, 0.0), (0.5, 1.0)],
                vec![(0.75, 1.0), (1.0, 0.0)],
            ]
        );
        assert!(within(&[Some((0.0, 2.0)), Some((1.0, 3.0))], &unit(), &unit()).is_empty());
        assert!(within(&[Some((0.0, 0.5))], &unit(), &unit()).is_empty());
    }
}
