//! Styles that distinguish series: colour with marker, dash or hatching.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Polygon};
use sagate_core::imaging::figure::distinct;

use super::chart::Drawing;
use super::colour::Colour;
use super::sheet::{Rect, Sheet, UNITS};

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Square,
    Up,
    Diamond,
    Down,
    Cross,
    Plus,
    Ring,
}

const MARKERS: [Marker; 8] = [
    Marker::Disc,
    Marker::Square,
    Marker::Up,
    Marker::Diamond,
    Marker::Down,
    Marker::Cross,
    Marker::Plus,
    Marker::Ring,
];

/// The hatching of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hatch {
    Plain,
    Rising,
    Falling,
    Level,
    Crossed,
}

const HATCHES: [Hatch; 5] = [
    Hatch::Plain,
    Hatch::Rising,
    Hatch::Level,
    Hatch::Falling,
    Hatch::Crossed,
];

/// The style of the series with an index (from 0). Colours repeat after seven, markers after eight, hatchings after five, so
/// that the pairs repeat after 35 and more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub colour: Colour,
    pub marker: Marker,
    pub hatch: Hatch,
}

impl Style {
    pub fn from_index(index: usize) -> Self {
        // The darker colours of the palette come first: they are the better lines.
        const ORDER: [usize; 6] = [4, 3, 2, 5, 0, 1];
        let colour = match ORDER.get(index % (ORDER.len() + 1)) {
            Some(&index) => Colour(distinct(index)),
            None => Colour::INK,
        };
        Self {
            colour,
            marker: MARKERS[index % MARKERS.len()],
            hatch: HATCHES[index % HATCHES.len()],
        }
    }
}

impl Marker {
    /// Draws it around a point (in units), `size` pixels from its middle to its edge.
    pub fn draw(
        self,
        on: &DrawingArea<Sheet, Shift>,
        at: (i32, i32),
        size: f64,
        colour: Colour,
        opacity: f64,
    ) -> Drawing {
        let near = |points: &[(f64, f64)]| -> Vec<(i32, i32)> {
            let scaled = |part: f64| (part * size * UNITS).round() as i32;
            points
                .iter()
                .map(|&(dx, dy)| (at.0 + scaled(dx), at.1 + scaled(dy)))
                .collect()
        };
        let solid = |points: &[(f64, f64)]| on.draw(&Polygon::new(near(points), colour.fill(opacity)));
        let lines = |first: [(f64, f64); 2], second: [(f64, f64); 2]| {
            on.draw(&PathElement::new(near(&first), colour.stroke(1.5)))?;
            on.draw(&PathElement::new(near(&second), colour.stroke(1.5)))
        };
        let radius = (size * UNITS).round() as i32;
        match self {
            Self::Disc => on.draw(&Circle::new(at, radius, colour.fill(opacity))),
            Self::Ring => on.draw(&Circle::new(at, radius, colour.stroke(1.4))),
            Self::Square => solid(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Self::Up => solid(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            Self::Down => solid(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            Self::Diamond => solid(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
            Self::Cross => lines([(-1.0, -1.0), (1.0, 1.0)], [(-1.0, 1.0), (1.0, -1.0)]),
            Self::Plus => lines([(-1.2, 0.0), (1.2, 0.0)], [(0.0, -1.2), (0.0, 1.2)]),
        }
    }
}

impl Hatch {
    /// The strokes of the hatching within a bar, each from one point (in pixels) to another.
    pub fn strokes(self, bar: Rect) -> Vec<[(f64, f64); 2]> {
        const GAP: f64 = 5.0;
        let steps = |length: f64| {
            (1..)
                .map(|step| f64::from(step) * GAP)
                .take_while(move |&at| at < length)
        };
        let (width, height) = (bar.width, bar.height);
        // A slanted stroke begins at the left edge or, below it, at the foot, and rises by one to the right.
        let rising = || {
            steps(width + height).map(move |at| {
                let (x0, y0) = if at <= height {
                    (0.0, at)
                } else {
                    (at - height, height)
                };
                let (x1, y1) = if at <= width {
                    (at, 0.0)
                } else {
                    (width, at - width)
                };
                [(x0, y0), (x1, y1)]
            })
        };
        let falling = || rising().map(move |line| line.map(|(x, y)| (width - x, y)));
        let strokes: Vec<[(f64, f64); 2]> = match self {
            Self::Plain => Vec::new(),
            Self::Rising => rising().collect(),
            Self::Falling => falling().collect(),
            Self::Crossed => rising().chain(falling()).collect(),
            // Counted from the foot, where bars stand.
            Self::Level => steps(height)
                .map(|at| [(0.0, height - at), (width, height - at)])
                .collect(),
        };
        strokes
            .into_iter()
            .map(|line| line.map(|(x, y)| (bar.x + x, bar.y + y)))
            .collect()
    }
}
