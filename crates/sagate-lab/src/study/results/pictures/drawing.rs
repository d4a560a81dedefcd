//! Pictures for tiles: images with outlines, masks, heat maps. Few pixels, so that a report with all of them stays small.

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use ndarray::{Array2, Array3};
use sagate_core::imaging::Image;
use sagate_core::imaging::figure::{ClassStyle, grey, heat, masked};

use crate::study::figure::{ColourBar, Palette, Tile};

/// The longer side of a picture is at most this many pixels,
const SIDE: u32 = 96;
/// and one with outlines is enlarged to at most this many in width.
const WIDTH: u32 = 128;
/// Pixels of a dash.
const DASH: usize = 3;
const TRUTH: [u8; 3] = [250, 240, 60];
const MASK: [u8; 3] = [255, 60, 200];

/// The lines of [`outlined`], in words.
pub(super) const TRUTH_OUTLINED: &str = "The truth is outlined in yellow.";
/// The lines of [`compared`].
pub(super) const BOTH_OUTLINED: &str = "Solid pink line: the mask; dashed yellow line: the truth.";

/// A picture with a caption.
pub(super) fn tile(picture: RgbImage, caption: impl Into<String>) -> Option<Tile> {
    let caption = caption.into();
    Some(Tile { picture, caption })
}

/// An image with the truth outlined.
pub(super) fn outlined(image: &Image, truth: &Array2<u8>) -> RgbImage {
    let mut picture = enlarged(image);
    outline(&mut picture, truth, TRUTH, false);
    picture
}

/// An image with a mask outlined, and the truth in dashes.
pub(super) fn compared(image: &Image, mask: &Array2<u8>, truth: &Array2<u8>) -> RgbImage {
    let mut picture = enlarged(image);
    outline(&mut picture, mask, MASK, false);
    outline(&mut picture, truth, TRUTH, true);
    picture
}

/// A mask or a SAM: the object white.
pub(super) fn mask(labels: &Array2<u8>) -> RgbImage {
    let white = ClassStyle {
        name: "object".into(),
        colour: [255; 3],
    };
    fitted(masked(labels.view(), &[white]))
}

/// Values of 0 to 1 as heat.
pub(super) fn share(values: &Array2<f32>) -> RgbImage {
    fitted(heat(values.view()))
}

/// A feature map of no negative value as heat, from 0 to its greatest value.
pub(super) fn response(values: &Array2<f32>) -> RgbImage {
    let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    share(&values.mapv(|value| value / most))
}

/// The colours of [`share`] and [`response`].
pub(super) fn colours(label: &str) -> Option<ColourBar> {
    Some(ColourBar {
        label: label.into(),
        low: 0.0,
        high: 1.0,
        palette: Palette::Viridis,
    })
}

/// One channel of an image.
pub(super) fn channel(image: Image, channel: usize) -> Image {
    let (_, height, width) = image.pixels.dim();
    let pixels = Array3::from_shape_fn((1, height, width), |(_, y, x)| image.pixels[[channel, y, x]]);
    Image { pixels, ..image }
}

fn fitted(picture: RgbImage) -> RgbImage {
    let longer = picture.width().max(picture.height());
    if longer <= SIDE {
        return picture;
    }
    let side = |side: u32| (side * SIDE / longer).max(1);
    resize(
        &picture,
        side(picture.width()),
        side(picture.height()),
        FilterType::Triangle,
    )
}

/// An image, each pixel made several where it is small: an outline is then thinner than a pixel.
fn enlarged(image: &Image) -> RgbImage {
    let picture = fitted(grey(image));
    let times = (WIDTH / picture.width()).max(1);
    let (width, height) = (picture.width() * times, picture.height() * times);
    resize(&picture, width, height, FilterType::Nearest)
}

/// Draws the inner edge of an object's pixels; the picture's own border is no edge.
fn outline(picture: &mut RgbImage, labels: &Array2<u8>, colour: [u8; 3], dashed: bool) {
    let [width, height] = [picture.width(), picture.height()].map(|side| side as usize);
    let (rows, columns) = labels.dim();
    let object = |y: usize, x: usize| {
        labels[[
            (2 * y + 1) * rows / (2 * height),
            (2 * x + 1) * columns / (2 * width),
        ]] > 0
    };
    for y in 0..height {
        for x in 0..width {
            let around = [
                (y.saturating_sub(1), x),
                ((y + 1).min(height - 1), x),
                (y, x.saturating_sub(1)),
                (y, (x + 1).min(width - 1)),
            ];
            let edge = object(y, x) && around.iter().any(|&(y, x)| !object(y, x));
            let drawn = !dashed || (x / DASH + y / DASH).is_multiple_of(2);
            if edge && drawn {
                picture.put_pixel(x as u32, y as u32, Rgb(colour));
            }
        }
    }
}
