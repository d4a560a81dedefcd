//! One panel of a chart: its place on the sheet with the scales of its axes, and clipping of curves.

use super::axis::Span;
use super::colour::{Colour, Paint};
use super::sheet::{Anchor, Rect, Sheet, Words};
use super::text::Font;

/// A panel, which draws on the sheet in the scales of its axes.
#[derive(Clone, Copy)]
pub(super) struct Plot<'a> {
    pub sheet: &'a Sheet,
    pub place: Rect,
    pub x: &'a Span,
    pub y: &'a Span,
}

impl Plot<'_> {
    /// Where a point of the scales lies on the sheet, in pixels.
    pub fn at(&self, point: (f64, f64)) -> (f64, f64) {
        (
            self.place.x + self.x.along(point.0) * self.place.width,
            self.place.bottom() - self.y.along(point.1) * self.place.height,
        )
    }

    /// Whether a point of the scales lies within the axes.
    pub fn holds(&self, point: (f64, f64)) -> bool {
        self.x.holds(point.0) && self.y.holds(point.1)
    }

    /// A line from point to point of the scales.
    pub fn path(&self, points: &[(f64, f64)], paint: Paint) {
        self.sheet.path(&self.pixels(points), paint);
    }

    /// A closed shape with these corners in the scales.
    pub fn polygon(&self, points: &[(f64, f64)], paint: Paint) {
        self.sheet.polygon(&self.pixels(points), paint);
    }

    fn pixels(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().map(|&point| self.at(point)).collect()
    }

    /// Draws the parts of a curve that lie within the axes. The curve breaks where a point is missing.
    pub fn curve(&self, points: &[Option<(f64, f64)>], paint: Paint) {
        for run in within(points, self.x, self.y) {
            self.path(&run, paint);
        }
    }

    /// Words in the middle of a panel that has nothing to show.
    pub fn nothing(&self) {
        let place = self.place;
        self.sheet.words(&Words {
            text: "no data",
            at: (place.x + place.width / 2.0, place.y + place.height / 2.0),
            font: Font::LABEL,
            anchor: Anchor::Middle,
            colour: Colour::DIM,
            turned: 0,
            whole: None,
            halo: true,
        });
    }
}

/// The parts of a curve that lie within the axes. The curve breaks where a point is missing.
fn within(points: &[Option<(f64, f64)>], x: &Span, y: &Span) -> Vec<Vec<(f64, f64)>> {
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
