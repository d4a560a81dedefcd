//! The legend above a chart.

use super::colour::Colour;
use super::sheet::{Anchor, Rect, Sheet, Words};
use super::style::{Style, reference};
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
    pub fn draw(&self, sheet: &Sheet, at: (f64, f64), width: f64) {
        for ((name, sample), (x, line)) in self.entries.iter().zip(self.places(width)) {
            let (x, middle) = (at.0 + x, at.1 + line as f64 * LINE + LINE / 2.0);
            sample.draw(sheet, x, middle);
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

    fn draw(self, sheet: &Sheet, x: f64, middle: f64) {
        let ends = [(x, middle), (x + SAMPLE, middle)];
        let centre = (x + self.width() / 2.0, middle);
        match self {
            Self::Curve { style, dashed } => {
                sheet.path(&ends, style.curve(dashed));
                style.point(sheet, centre, 3.4, 1.0);
            }
            Self::Point(style) => style.point(sheet, centre, 4.2, 1.0),
            Self::Bar(style) => style.bar(
                sheet,
                Rect {
                    x,
                    y: middle - 6.0,
                    width: self.width(),
                    height: 12.0,
                },
            ),
            Self::Mark { dashed } => sheet.path(&ends, reference(dashed)),
        }
    }
}
