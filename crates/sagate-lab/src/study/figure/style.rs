//! Styles that distinguish series: colour with marker, dash or hatching.

use sagate_core::imaging::figure::distinct;

use super::colour::{Colour, Paint};
use super::sheet::{Rect, Sheet};

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
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
enum Hatch {
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
    marker: Marker,
    hatch: Hatch,
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
    /// The line of a curve.
    pub fn curve(self, dashed: bool) -> Paint {
        const WIDTH: f64 = 1.8;
        if dashed {
            self.colour.dashed(WIDTH, [6.0, 3.5])
        } else {
            self.colour.stroke(WIDTH)
        }
    }

    /// Draws a point with its marker, `size` pixels from its middle to its edge.
    pub fn point(self, sheet: &Sheet, at: (f64, f64), size: f64, opacity: f64) {
        self.marker.draw(sheet, at, size, self.colour, opacity);
    }

    /// Draws a filled and hatched bar.
    pub fn bar(self, sheet: &Sheet, place: Rect) {
        sheet.rectangle(place, self.colour.fill(1.0));
        for stroke in self.hatch.strokes(place) {
            sheet.path(&stroke, Colour::PAPER.stroke(1.2));
        }
        sheet.rectangle(place, self.colour.stroke(1.0));
    }
}

/// The line of a reference: a mark, or a trend.
pub(super) fn reference(dashed: bool) -> Paint {
    const WIDTH: f64 = 1.2;
    if dashed {
        Colour::DIM.dashed(WIDTH, [2.5, 2.5])
    } else {
        Colour::DIM.stroke(WIDTH)
    }
}

/// The names of all series of a figure, in the order in which they first appear: those of one name look alike in all
/// panels.
pub(super) struct SeriesNames<'a>(pub Vec<&'a str>);

impl<'a> SeriesNames<'a> {
    pub fn new(names: impl Iterator<Item = &'a String>) -> Self {
        let mut distinct: Vec<&str> = Vec::new();
        for name in names {
            if !distinct.contains(&name.as_str()) {
                distinct.push(name);
            }
        }
        Self(distinct)
    }

    /// The index of a name, from 0.
    pub fn index(&self, name: &str) -> usize {
        self.0.iter().position(|&other| other == name).unwrap_or_default()
    }

    pub fn style(&self, name: &str) -> Style {
        Style::from_index(self.index(name))
    }
}

impl Marker {
    /// Draws it around a point, `size` pixels from its middle to its edge.
    fn draw(self, sheet: &Sheet, at: (f64, f64), size: f64, colour: Colour, opacity: f64) {
        let near = |(dx, dy): (f64, f64)| (at.0 + dx * size, at.1 + dy * size);
        let solid = |corners: &[(f64, f64)]| {
            let corners: Vec<(f64, f64)> = corners.iter().copied().map(near).collect();
            sheet.polygon(&corners, colour.fill(opacity));
        };
        let lines = |lines: [[(f64, f64); 2]; 2]| {
            for line in lines {
                sheet.path(&line.map(near), colour.stroke(1.5));
            }
        };
        match self {
            Self::Disc => sheet.circle(at, size, colour.fill(opacity)),
            Self::Ring => sheet.circle(at, size, colour.stroke(1.4)),
            Self::Square => solid(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Self::Up => solid(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            Self::Down => solid(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            Self::Diamond => solid(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
            Self::Cross => lines([[(-1.0, -1.0), (1.0, 1.0)], [(-1.0, 1.0), (1.0, -1.0)]]),
            Self::Plus => lines([[(-1.2, 0.0), (1.2, 0.0)], [(0.0, -1.2), (0.0, 1.2)]]),
        }
    }
}

impl Hatch {
    /// The strokes of the hatching within a bar, each from one point (in pixels) to another.
    fn strokes(self, bar: Rect) -> Vec<[(f64, f64); 2]> {
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
