//! A white canvas for pictures, lines and text.

use image::{Rgb, RgbImage, imageops};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::colour::PAPER;

/// Font sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    Small,
    Normal,
    Large,
}

impl Font {
    fn raster(self) -> RasterHeight {
        match self {
            Self::Small => RasterHeight::Size16,
            Self::Normal => RasterHeight::Size20,
            Self::Large => RasterHeight::Size24,
        }
    }

    /// Pixels from one line to the next.
    pub(super) fn line(self) -> u32 {
        self.raster().val() as u32 + 2
    }

    /// Pixels that a text of one line takes.
    pub(super) fn width(self, text: &str) -> u32 {
        (get_raster_width(FontWeight::Regular, self.raster()) * text.chars().count()) as u32
    }

    /// Breaks a text into lines no wider than `width`, between words where it can.
    pub(super) fn wrap(self, text: &str, width: u32) -> Vec<String> {
        let most = (width / self.width("x")).max(1) as usize;
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            let room = most.saturating_sub(line.chars().count() + 1);
            if !line.is_empty() && word.len() > room {
                lines.push(std::mem::take(&mut line));
            }
            while word.len() > most {
                lines.push(word.drain(..most).collect());
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// The canvas. Drawing outside of it is clipped.
pub(super) struct Canvas {
    sheet: RgbImage,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self {
            sheet: RgbImage::from_pixel(width.max(1), height.max(1), PAPER),
        }
    }

    pub(super) fn finish(self) -> RgbImage {
        self.sheet
    }

    pub(super) fn picture(&mut self, left: u32, top: u32, picture: &RgbImage) {
        imageops::replace(&mut self.sheet, picture, i64::from(left), i64::from(top));
    }

    pub(super) fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: Rgb<u8>) {
        let (right, bottom) = (left.saturating_add(width), top.saturating_add(height));
        for y in top..bottom.min(self.sheet.height()) {
            for x in left..right.min(self.sheet.width()) {
                self.sheet.put_pixel(x, y, colour);
            }
        }
    }

    /// The outline of a rectangle, one pixel wide, inside it.
    pub(super) fn frame(&mut self, left: u32, top: u32, width: u32, height: u32, colour: Rgb<u8>) {
        self.fill(left, top, width, 1, colour);
        self.fill(left, (top + height).saturating_sub(1), width, 1, colour);
        self.fill(left, top, 1, height, colour);
        self.fill((left + width).saturating_sub(1), top, 1, height, colour);
    }

    /// One line of text, its top left corner here. Characters that the font lacks appear as `?`.
    pub(super) fn text(&mut self, left: u32, top: u32, text: &str, font: Font, colour: Rgb<u8>) {
        let mut x = left;
        for character in text.chars() {
            let known = get_raster(character, FontWeight::Regular, font.raster());
            let Some(glyph) = known.or_else(|| get_raster('?', FontWeight::Regular, font.raster())) else {
                continue;
            };
            for (dy, row) in glyph.rows().enumerate() {
                for (dx, &strength) in row.iter().enumerate() {
                    self.blend(
                        x + dx as u32,
                        top + dy as u32,
                        colour,
                        f32::from(strength) / 255.0,
                    );
                }
            }
            x += glyph.width() as u32;
        }
    }

    /// Lines of text, one under another; returns where the next would go.
    pub(super) fn lines(
        &mut self,
        left: u32,
        top: u32,
        lines: &[String],
        font: Font,
        colour: Rgb<u8>,
    ) -> u32 {
        for (index, line) in lines.iter().enumerate() {
            self.text(left, top + index as u32 * font.line(), line, font, colour);
        }
        top + lines.len() as u32 * font.line()
    }

    /// A straight line two pixels wide, with softened edges.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), colour: Rgb<u8>) {
        const HALF: f32 = 1.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let square = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
        let span = |a: f32, b: f32| {
            let low = (a.min(b) - HALF - 1.0).floor().max(0.0) as u32;
            low..=(a.max(b) + HALF + 1.0).ceil().max(0.0) as u32
        };
        for y in span(from.1, to.1) {
            for x in span(from.0, to.0) {
                let (px, py) = (x as f32 - from.0, y as f32 - from.1);
                let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                self.blend(x, y, colour, (HALF + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    fn blend(&mut self, x: u32, y: u32, colour: Rgb<u8>, strength: f32) {
        if let Some(pixel) = self.sheet.get_pixel_mut_checked(x, y) {
            mix(pixel, colour, strength);
        }
    }
}

/// Moves a pixel towards a colour.
pub(super) fn mix(pixel: &mut Rgb<u8>, colour: Rgb<u8>, strength: f32) {
    for (value, target) in pixel.0.iter_mut().zip(colour.0) {
        *value = (f32::from(*value) * (1.0 - strength) + f32::from(target) * strength).round() as u8;
    }
}

/// A picture at another size, each new pixel the colour of the old one that holds its centre.
pub(super) fn scaled(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == picture.dimensions() || picture.width() == 0 || picture.height() == 0 {
        return picture.clone();
    }
    if width < picture.width() || height < picture.height() {
        return imageops::resize(picture, width, height, imageops::FilterType::Triangle);
    }
    imageops::resize(picture, width, height, imageops::FilterType::Nearest)
}

#[cfg(test)]
mod tests {
    use super::Font;

    #[test]
    fn long_texts_are_broken_between_words() {
        let width = Font::Small.width("0123456789");
        assert_eq!(
            Font::Small.wrap("one two three four", width),
            ["one two", "three four"]
        );
        assert_eq!(
            Font::Small.wrap("averyveryverylongword x", width),
            ["averyveryv", "erylongwor", "d x"]
        );
        assert_eq!(
            Font::Small.wrap("a averyveryverylongword", width),
            ["a", "averyveryv", "erylongwor", "d"]
        );
        assert!(Font::Small.wrap("  ", width).is_empty());
    }
}
