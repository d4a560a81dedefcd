//! Values of 0..=1 in viridis, with the bar that says which colour is which value.

use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use super::canvas::{Canvas, Font, scaled};
use super::colour::{ABSENT, INK, viridis};

const MARGIN: u32 = 16;
const BAR: u32 = 16;
const TICK: u32 = 5;

/// Values of 0..=1 in viridis, one pixel each; grey where a value is NaN.
pub fn heat(values: ArrayView2<'_, f32>) -> RgbImage {
    RgbImage::from_fn(values.ncols() as u32, values.nrows() as u32, |x, y| {
        let value = values[[y as usize, x as usize]];
        if value.is_nan() {
            ABSENT
        } else {
            Rgb(viridis(value))
        }
    })
}

/// [`heat`], enlarged where it is small, with a title above and the colour bar below.
pub fn heat_map(values: ArrayView2<'_, f32>, title: &str) -> RgbImage {
    let picture = heat(values);
    let longer = picture.width().max(picture.height()).max(1);
    let (width, height) = if longer > 1600 {
        (picture.width() * 1600 / longer, picture.height() * 1600 / longer)
    } else {
        let factor = 512u32.div_ceil(longer);
        (picture.width() * factor, picture.height() * factor)
    };
    let picture = scaled(&picture, width, height);
    let sheet = picture.width().max(320);
    let title = Font::Normal.wrap(title, sheet);
    let above = title.len() as u32 * Font::Normal.line() + 6;
    let mut canvas = Canvas::new(sheet, above + picture.height());
    canvas.lines(0, 0, &title, Font::Normal, INK);
    canvas.picture((sheet - picture.width()) / 2, above, &picture);
    with_colour_bar(&canvas.finish(), "")
}

/// Any figure with the colour bar of [`heat`] below it, from 0 to 1, and a margin around both. `label` says what the
/// values are.
pub fn with_colour_bar(figure: &RgbImage, label: &str) -> RgbImage {
    let width = figure.width().max(120);
    let bar = width.min(480);
    let label = Font::Small.wrap(label, width);
    let below = 12 + label.len() as u32 * Font::Small.line() + BAR + TICK + 2 + Font::Small.line();
    let mut canvas = Canvas::new(width + 2 * MARGIN, figure.height() + below + 2 * MARGIN);
    canvas.picture(MARGIN + (width - figure.width()) / 2, MARGIN, figure);
    let left = MARGIN + (width - bar) / 2;
    let top = canvas.lines(left, MARGIN + figure.height() + 12, &label, Font::Small, INK);
    for x in 0..bar {
        canvas.fill(left + x, top, 1, BAR, Rgb(viridis(x as f32 / (bar - 1) as f32)));
    }
    canvas.frame(left, top, bar, BAR, INK);
    let ticks: &[(f32, &str)] = if bar < 240 {
        &[(0.0, "0"), (0.5, "0.5"), (1.0, "1")]
    } else {
        &[
            (0.0, "0"),
            (0.25, "0.25"),
            (0.5, "0.5"),
            (0.75, "0.75"),
            (1.0, "1"),
        ]
    };
    for &(value, name) in ticks {
        let x = left + (value * (bar - 1) as f32).round() as u32;
        canvas.fill(x, top + BAR, 1, TICK, INK);
        let start = x.saturating_sub(Font::Small.width(name) / 2);
        canvas.text(start, top + BAR + TICK + 2, name, Font::Small, INK);
    }
    canvas.finish()
}
