//! The legend above a chart.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{DashedPathElement, PathElement, Rectangle};

use super::chart::Drawing;
use super::colour::Colour;
use super::sheet::{Anchor, Rect, Sheet, UNITS, Words};
use super::style::Style;
use super::text::Font;

const FONT: Font = Font::LABEL;
/// Pixels of a curve's sample, between a sample and its name, and from entry to entry.
const SAMPLE: f64 = 28.0;
const GAP: f64 = 6.0;
const APART: f64 = 20.0;
/// The longest name that is not cut.
const NAME: f64 = 320.0;
const LINE: f64 = 18.0;

/// What stands before a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    /// A curve with its marker.
    Curve { style: Style, dashed: bool },
    /// A point.
    Point(Style),
    /// A bar.
    Bar(Style),
    /// A reference line.
    Mark { dashed: bool },
}

/// Names with their samples, in the order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Legend {
    entries: Vec<(String, Sample)>,
}

impl Legend {
    /// Adds a name unless it is there already or empty.
    pub fn add(&mut self, name: &str, sample: Sample) {
        if !name.trim().is_empty() && self.entries.iter().all(|(other, _)| other != name) {
            self.entries.push((name.to_owned(), sample));
        }
    }

    /// Pixels that it takes from top to bottom on a sheet of this width.
    pub fn height(&self, width: f64) -> f64 {
        self.places(width)
            .last()
            .map_or(0.0, |&(_, line)| (line + 1) as f64 * LINE + 6.0)
    }

    /// Draws it into a space of this width whose top left corner is `at`.
    pub fn draw(
        &self,
        sheet: &Sheet,
        root: &DrawingArea<Sheet, Shift>,
        at: (f64, f64),
        width: f64,
    ) -> Drawing {
        for ((name, sample), (x, line)) in self.entries.iter().zip(self.places(width)) {
            let (x, middle) = (at.0 + x, at.1 + line as f64 * LINE + LINE / 2.0);
            sample.draw(root, x, middle)?;
            let text = FONT.fit(name, NAME.min(width - SAMPLE - GAP));
            sheet.words(&Words {
                text: &text,
                at: (x + sample.width() + GAP, middle + FONT.size * 0.36),
                font: FONT,
                anchor: Anchor::Start,
                colour: Colour::INK,
                turned: 0,
                whole: Some(name),
                halo: false,
            });
        }
        Ok(())
    }

    /// Of each entry, how far right it begins and in which line.
    fn places(&self, width: f64) -> Vec<(f64, usize)> {
        let (mut x, mut line) = (0.0, 0);
        self.entries
            .iter()
            .map(|(name, sample)| {
                let name = FONT.width(name).min(NAME).min(width - SAMPLE - GAP);
                let own = sample.width() + GAP + name;
                if x > 0.0 && x + own > width {
                    (x, line) = (0.0, line + 1);
                }
                let place = (x, line);
                x += own + APART;
                place
            })
            .collect()
    }
}

impl Sample {
    fn width(self) -> f64 {
        match self {
            Self::Curve { .. } | Self::Mark { .. } => SAMPLE,
            Self::Bar(_) => 22.0,
            Self::Point(_) => 12.0,
        }
    }

    fn draw(self, root: &DrawingArea<Sheet, Shift>, x: f64, middle: f64) -> Drawing {
        let units = |pixels: f64| (pixels * UNITS).round() as i32;
        let ends = vec![(units(x), units(middle)), (units(x + SAMPLE), units(middle))];
        let centre = (units(x + self.width() / 2.0), units(middle));
        match self {
            Self::Curve { style, dashed } => {
                let stroke = style.colour.stroke(CURVE);
                if dashed {
                    root.draw(&DashedPathElement::new(ends, DASH, DASH_GAP, stroke))?;
                } else {
                    root.draw(&PathElement::new(ends, stroke))?;
                }
                style.marker.draw(root, centre, 3.4, style.colour, 1.0)
            }
            Self::Point(style) => style.marker.draw(root, centre, 4.2, style.colour, 1.0),
            Self::Bar(style) => bar(
                root,
                Rect {
                    x,
                    y: middle - 6.0,
                    width: self.width(),
                    height: 12.0,
                },
                style,
            ),
            Self::Mark { dashed: true } => {
                root.draw(&DashedPathElement::new(ends, MARK, MARK, Colour::DIM.stroke(1.2)))
            }
            Self::Mark { dashed: false } => root.draw(&PathElement::new(ends, Colour::DIM.stroke(1.2))),
        }
    }
}

/// Width of a curve in pixels.
pub(super) const CURVE: f64 = 1.8;
/// Dashes and the gaps between them, in units.
pub(super) const DASH: i32 = 60;
pub(super) const DASH_GAP: i32 = 35;
/// The same of a reference line.
pub(super) const MARK: i32 = 25;

/// A filled and hatched bar.
pub(super) fn bar(root: &DrawingArea<Sheet, Shift>, place: Rect, style: Style) -> Drawing {
    let units = |(x, y): (f64, f64)| ((x * UNITS).round() as i32, (y * UNITS).round() as i32);
    let corners = [units((place.x, place.y)), units((place.right(), place.bottom()))];
    root.draw(&Rectangle::new(corners, style.colour.fill(1.0)))?;
    for stroke in style.hatch.strokes(place) {
        let path: Vec<(i32, i32)> = stroke.into_iter().map(units).collect();
        root.draw(&PathElement::new(path, Colour::PAPER.stroke(1.2)))?;
    }
    root.draw(&Rectangle::new(corners, style.colour.stroke(1.0)))
}
