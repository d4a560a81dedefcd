//! Widths of words in the built-in font, and lines broken or cut to fit.

use std::sync::OnceLock;

use ttf_parser::Face;

/// The font family; widths are measured with the first font, and the second has equal widths.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// A font.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Font {
    /// Height of the letters' square, in pixels.
    pub size: f64,
    pub bold: bool,
}

impl Font {
    pub const TITLE: Self = Self::new(14.0, true);
    pub const HEADING: Self = Self::new(11.5, true);
    pub const LABEL: Self = Self::new(11.5, false);
    pub const TICK: Self = Self::new(10.5, false);
    pub const NOTE: Self = Self::new(10.5, false);
    pub const SMALL: Self = Self::new(9.5, false);

    const fn new(size: f64, bold: bool) -> Self {
        Self { size, bold }
    }

    /// Pixels from one line to the next.
    pub fn line(self) -> f64 {
        (self.size * 1.3).round()
    }

    /// Pixels from the top of a line to the foot of its letters.
    pub fn ascent(self) -> f64 {
        self.size * 0.95
    }

    /// Pixels that a text of one line takes.
    pub fn width(self, text: &str) -> f64 {
        let face = face(self.bold);
        let units: f64 = text.chars().map(|letter| advance(face, letter)).sum();
        units * self.size
    }

    /// Breaks a text into lines no wider than `width`, between words where it can.
    pub fn wrap(self, text: &str, width: f64) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let joined = if line.is_empty() {
                word.to_owned()
            } else {
                format!("{line} {word}")
            };
            if self.width(&joined) <= width {
                line = joined;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                line.push(letter);
                if line.chars().count() > 1 && self.width(&line) > width {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// The text, or as much of its beginning as fits with an ellipsis.
    pub fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept = String::new();
        for letter in text.chars() {
            kept.push(letter);
            if self.width(&kept) + self.width("…") > width {
                kept.pop();
                break;
            }
        }
        format!("{}…", kept.trim_end())
    }
}

/// Width of a letter in a font of one pixel; that of the sign for unknown letters where the font lacks it.
fn advance(face: &Face<'_>, letter: char) -> f64 {
    let glyph = face.glyph_index(letter).unwrap_or_default();
    let units = face.glyph_hor_advance(glyph).unwrap_or_default();
    f64::from(units) / f64::from(face.units_per_em())
}

fn face(bold: bool) -> &'static Face<'static> {
    static FACES: OnceLock<[Face<'static>; 2]> = OnceLock::new();
    let faces = FACES.get_or_init(|| {
        [dejavu::sans::regular(), dejavu::sans::bold()]
            .map(|bytes| Face::parse(bytes, 0).expect("the built-in font is whole"))
    });
    &faces[usize::from(bold)]
}

#[cfg(test)]
mod tests {
    use super::Font;

    #[test]
    fn widths_are_the_fonts() {
        // DejaVu Sans: a digit is 1303 of 2048 units wide, bold 1425.
        assert!((Font::LABEL.width("08") - 2.0 * 1303.0 / 2048.0 * 11.5).abs() < 1e-3);
        assert!((Font::HEADING.width("0") - 1425.0 / 2048.0 * 11.5).abs() < 1e-3);
    }

    #[test]
    fn lines_are_broken_or_cut_to_the_width() {
        let text = "one two averyveryverylongwordwithoutend three";
        let lines = Font::NOTE.wrap(text, 60.0);
        assert!(
            lines.iter().all(|line| Font::NOTE.width(line) <= 60.0),
            "{lines:?}"
        );
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert!(Font::NOTE.wrap("  ", 60.0).is_empty());
        let cut = Font::NOTE.fit(text, 60.0);
        assert!(cut.ends_with('…') && Font::NOTE.width(&cut) <= 60.0);
    }
}
