//! The sheet that everything is drawn on: shapes, words and pictures in pixels, written as SVG.

use std::cell::RefCell;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::colour::{Colour, Paint};
use super::text::{FAMILY, Font};
use crate::study::escape::xml;

/// The white edge of words among data.
const HALO: &str = r##" stroke="#ffffff" stroke-width="3" stroke-linejoin="round" paint-order="stroke""##;

/// A rectangle in pixels from the sheet's top left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
}

/// Which end of a text lies at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text and where it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub text: &'a str,
    /// x in pixels, and y of the letters' feet.
    pub at: (f64, f64),
    pub font: Font,
    pub anchor: Anchor,
    pub colour: Colour,
    /// Degrees, clockwise.
    pub turned: i32,
    /// What was cut short to `text`, if it was: shown where a pointer rests on it.
    pub whole: Option<&'a str>,
    /// With a white edge that sets it off from lines and points.
    pub halo: bool,
}

/// The sheet.
pub(super) struct Sheet {
    body: RefCell<String>,
    /// Pixels.
    width: f64,
    height: f64,
}

impl Sheet {
    /// A white sheet of so many pixels.
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            body: RefCell::default(),
            width: width.ceil(),
            height: height.ceil(),
        }
    }

    /// A line from point to point.
    pub fn path(&self, points: &[(f64, f64)], paint: Paint) {
        self.write(format_args!(r#"<polyline points="{}" {paint}/>"#, list(points)));
    }

    /// A closed shape with these corners.
    pub fn polygon(&self, points: &[(f64, f64)], paint: Paint) {
        self.write(format_args!(r#"<polygon points="{}" {paint}/>"#, list(points)));
    }

    pub fn rectangle(&self, place: Rect, paint: Paint) {
        let (x, y) = (short(place.x), short(place.y));
        // The far corner is rounded, and not the size, so that a bar ends exactly where an axis does.
        let width = short(short(place.right()) - x);
        let height = short(short(place.bottom()) - y);
        self.write(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" {paint}/>"#
        ));
    }

    pub fn circle(&self, centre: (f64, f64), radius: f64, paint: Paint) {
        self.write(format_args!(
            r#"<circle cx="{}" cy="{}" r="{}" {paint}/>"#,
            short(centre.0),
            short(centre.1),
            short(radius)
        ));
    }

    pub fn words(&self, words: &Words<'_>) {
        if words.text.trim().is_empty() {
            return;
        }
        let (x, y) = (short(words.at.0), short(words.at.1));
        let turned = match words.turned {
            0 => String::new(),
            degrees => format!(r#" transform="rotate({degrees} {x} {y})""#),
        };
        let anchor = match words.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let bold = if words.font.bold {
            r#" font-weight="bold""#
        } else {
            ""
        };
        let whole = words
            .whole
            .filter(|&whole| whole != words.text)
            .map(|whole| format!("<title>{}</title>", xml(whole)))
            .unwrap_or_default();
        self.write(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{size}"{bold}{anchor}{turned}{halo} fill="{colour}" textLength="{length}">{text}{whole}</text>"#,
            halo = if words.halo { HALO } else { "" },
            size = words.font.size,
            colour = words.colour.hex(),
            length = short(words.font.width(words.text)),
            text = xml(words.text),
        ));
    }

    /// Lines of text from the top of the first downwards; returns where the next would go.
    pub fn lines(&self, lines: &[String], at: (f64, f64), font: Font, anchor: Anchor, colour: Colour) -> f64 {
        for (index, text) in lines.iter().enumerate() {
            self.words(&Words {
                text,
                at: (at.0, at.1 + index as f64 * font.line() + font.ascent()),
                font,
                anchor,
                colour,
                turned: 0,
                whole: None,
                halo: false,
            });
        }
        at.1 + lines.len() as f64 * font.line()
    }

    /// A picture (PNG) stretched over `place`, its pixels kept as squares.
    pub fn picture(&self, place: Rect, png: &[u8], alt: &str) {
        self.write(format_args!(
            r#"<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{data}"><title>{alt}</title></image>"#,
            x = short(place.x),
            y = short(place.y),
            width = short(place.width),
            height = short(place.height),
            data = STANDARD.encode(png),
            alt = xml(alt),
        ));
    }

    /// The finished document; `alt` says in words what it shows.
    pub fn finish(&self, alt: &str) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" "#,
                r#"viewBox="0 0 {width} {height}" role="img" aria-label="{alt}" font-family="{family}">"#,
                "\n",
                r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##,
                "\n{body}</svg>\n"
            ),
            width = width,
            height = height,
            alt = xml(alt),
            family = FAMILY,
            body = self.body.borrow(),
        )
    }

    fn write(&self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body.borrow_mut(), "{element}");
    }
}

/// Points as SVG lists them.
fn list(points: &[(f64, f64)]) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|&(x, y)| format!("{},{}", short(x), short(y)))
        .collect();
    points.join(" ")
}

/// Rounded to a tenth of a pixel.
fn short(value: f64) -> f64 {
    // Adding 0 makes a negative zero positive.
    (value * 10.0).round() / 10.0 + 0.0
}
