//! An image with the outlines of its mask, and of the truth where there is one.

use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayView2, Axis};

use super::ClassStyle;
use super::canvas::{Canvas, Font, mix};
use super::colour::{INK, contrast, distinct};
use super::legend::{Entry, Legend};
use crate::imaging::{Image, ImagingError, Orientation};

/// The picture's longer side is at least this many pixels,
const AT_LEAST: f64 = 512.0;
/// and at most this many.
const AT_MOST: f64 = 1600.0;
const MARGIN: u32 = 16;
/// Outlines are this many pixels wide,
const STROKE: usize = 2;
/// dashes this long,
const DASH: usize = 6;
/// and the inside of a class takes this much of its colour.
const TINT: f32 = 0.18;

/// An image in grey, from its 0.5th to its 99.5th percentile; one of three channels in their colours. One pixel for
/// each of the image's, upright.
pub fn grey(image: &Image) -> RgbImage {
    if image.orientation != Orientation::UPRIGHT {
        return grey(&image.clone().upright());
    }
    let (channels, height, width) = image.pixels.dim();
    let shown = if channels == 3 { 3 } else { channels.min(1) };
    let (low, high) = contrast_range(image.pixels.iter().take(shown * height * width));
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let value = |channel: usize| {
            let value = image.pixels[[channel, y as usize, x as usize]];
            ((value - low) / (high - low) * 255.0).clamp(0.0, 255.0) as u8
        };
        match shown {
            3 => Rgb([value(0), value(1), value(2)]),
            0 => INK,
            _ => Rgb([value(0); 3]),
        }
    })
}

/// A mask in its classes' colours on black, one pixel for each of the mask's.
pub fn masked(labels: ArrayView2<'_, u8>, classes: &[ClassStyle]) -> RgbImage {
    RgbImage::from_fn(labels.ncols() as u32, labels.nrows() as u32, |x, y| match labels
        [[y as usize, x as usize]]
    {
        0 => Rgb([0; 3]),
        label => Rgb(class_colour(label, classes)),
    })
}

/// An image with each class tinted and outlined in its colour and, where a truth is given, the truth's outline dashed
/// in a colour of its own; below it the caption and a legend of what is drawn. Pixels that are not square (by the
/// image's spacing) are shown in their proportion. Masks lie as the image is stored, and the picture is upright.
///
/// # Errors
/// [`ImagingError::Field`] where the image is empty or a mask's shape is not the image's.
pub fn overlay(
    image: &Image,
    labels: &Array2<u8>,
    truth: Option<&Array2<u8>>,
    classes: &[ClassStyle],
    caption: &str,
) -> Result<RgbImage, ImagingError> {
    Ok(Overlay::draw(image, labels, truth, classes)?.with_caption(caption))
}

/// What [`overlay`] draws, once for several captions.
pub struct Overlay {
    picture: RgbImage,
    legend: Legend,
    /// Pixels of the wider of the two.
    width: u32,
}

impl Overlay {
    /// Draws an image with its masks.
    ///
    /// # Errors
    /// As [`overlay`].
    pub fn draw(
        image: &Image,
        labels: &Array2<u8>,
        truth: Option<&Array2<u8>>,
        classes: &[ClassStyle],
    ) -> Result<Overlay, ImagingError> {
        if image.orientation != Orientation::UPRIGHT {
            let turned = |mask: &Array2<u8>| {
                image
                    .orientation
                    .upright(mask.view())
                    .as_standard_layout()
                    .into_owned()
            };
            let (upright, truth) = (image.clone().upright(), truth.map(turned));
            return Overlay::draw(&upright, &turned(labels), truth.as_ref(), classes);
        }
        let shape = &image.pixels.shape()[1..];
        if image.pixels.is_empty() {
            return Err(ImagingError::field(
                "image",
                "shape",
                format!("{:?}", image.pixels.shape()),
                "not empty",
            ));
        }
        for (name, mask) in [("mask", Some(labels)), ("true mask", truth)] {
            if let Some(mask) = mask.filter(|mask| mask.shape() != shape) {
                let right = format!("{shape:?}, as its image has");
                return Err(ImagingError::field(
                    name,
                    "shape",
                    format!("{:?}", mask.shape()),
                    right,
                ));
            }
        }

        let zoom = Zoom::new(image);
        let mut picture = zoom.picture(&grey(image));
        zoom.paint(&mut picture, labels, |label, edge, _| {
            let strength = if edge { 1.0 } else { TINT };
            (label > 0).then(|| (class_colour(label, classes), strength))
        });
        let truth_colour = contrast(used_colours(labels, truth, classes).into_iter());
        if let Some(truth) = truth {
            zoom.paint(&mut picture, truth, |label, edge, dash| {
                (label > 0 && edge && dash).then_some((truth_colour, 1.0))
            });
        }

        let width = picture.width().max(320);
        let legend = Legend::new(entries(labels, truth.map(|_| truth_colour), classes), width);
        let width = width.max(legend.width());
        Ok(Overlay {
            picture,
            legend,
            width,
        })
    }

    /// The picture with a caption, which may be empty, and the legend below it.
    pub fn with_caption(&self, caption: &str) -> RgbImage {
        let Overlay {
            picture,
            legend,
            width,
        } = self;
        let width = *width;
        let caption = Font::Normal.wrap(caption, width);
        let below = MARGIN / 2 + caption.len() as u32 * Font::Normal.line() + 4 + legend.height();
        let mut canvas = Canvas::new(width + 2 * MARGIN, picture.height() + below + 2 * MARGIN);
        canvas.picture(MARGIN + (width - picture.width()) / 2, MARGIN, picture);
        let top = MARGIN + picture.height() + MARGIN / 2;
        let top = canvas.lines(MARGIN, top, &caption, Font::Normal, INK);
        legend.draw(&mut canvas, MARGIN, top + 4);
        canvas.finish()
    }
}

/// All classes, and the truth in its colour.
fn entries(labels: &Array2<u8>, truth: Option<[u8; 3]>, classes: &[ClassStyle]) -> Vec<Entry> {
    let solid = |name: String, colour| Entry {
        name,
        colour,
        dashed: false,
    };
    let mut entries: Vec<_> = classes
        .iter()
        .map(|class| solid(class.name.clone(), class.colour))
        .collect();
    let highest = labels.iter().copied().max().unwrap_or(0);
    let unnamed = (classes.len() + 1..=usize::from(highest)).map(|label| label as u8);
    entries.extend(
        unnamed
            .filter(|label| labels.iter().any(|other| other == label))
            .map(|label| solid(format!("class {label}"), class_colour(label, classes))),
    );
    entries.extend(truth.map(|colour| Entry {
        name: "truth (dashed)".to_owned(),
        colour,
        dashed: true,
    }));
    entries
}

fn used_colours(labels: &Array2<u8>, truth: Option<&Array2<u8>>, classes: &[ClassStyle]) -> Vec<[u8; 3]> {
    let highest = labels
        .iter()
        .chain(truth.into_iter().flatten())
        .copied()
        .max()
        .unwrap_or(0);
    let highest = highest.max(u8::try_from(classes.len()).unwrap_or(u8::MAX));
    (1..=highest).map(|label| class_colour(label, classes)).collect()
}

fn class_colour(label: u8, classes: &[ClassStyle]) -> [u8; 3] {
    let index = usize::from(label) - 1;
    classes
        .get(index)
        .map_or_else(|| distinct(index), |class| class.colour)
}

/// The 0.5th and the 99.5th percentile, never equal.
fn contrast_range<'a>(values: impl Iterator<Item = &'a f32>) -> (f32, f32) {
    let mut values: Vec<f32> = values.copied().filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let last = values.len() - 1;
    let mut at = |share: f64| {
        *values
            .select_nth_unstable_by((share * last as f64) as usize, f32::total_cmp)
            .1
    };
    let (low, high) = (at(0.005), at(0.995));
    if low < high {
        return (low, high);
    }
    // Nearly all pixels are alike: the whole range then, or none.
    let (low, high) = (at(0.0), at(1.0));
    if low < high {
        (low, high)
    } else {
        (low, low + low.abs().max(1.0))
    }
}

/// From the image's pixels to the figure's.
struct Zoom {
    size: [usize; 2],
    source: [usize; 2],
}

impl Zoom {
    fn new(image: &Image) -> Self {
        let source = [image.pixels.len_of(Axis(1)), image.pixels.len_of(Axis(2))];
        let least = image.spacing[0].min(image.spacing[1]);
        // Bound the aspect ratio of very anisotropic spacing.
        let stretch = image.spacing.map(|step| (step / least).clamp(1.0, 8.0));
        let stretch = stretch.map(|factor| if factor.is_finite() { factor } else { 1.0 });
        let extent = [source[0] as f64 * stretch[0], source[1] as f64 * stretch[1]];
        let longer = extent[0].max(extent[1]);
        let factor = if longer > AT_MOST {
            AT_MOST / longer
        } else {
            (AT_LEAST / longer).ceil().max(1.0)
        };
        Self {
            size: extent.map(|side| (side * factor).round().max(1.0) as usize),
            source,
        }
    }

    fn source(&self, axis: usize, position: usize) -> usize {
        (2 * position + 1) * self.source[axis] / (2 * self.size[axis])
    }

    fn picture(&self, image: &RgbImage) -> RgbImage {
        RgbImage::from_fn(self.size[1] as u32, self.size[0] as u32, |x, y| {
            *image.get_pixel(
                self.source(1, x as usize) as u32,
                self.source(0, y as usize) as u32,
            )
        })
    }

    /// Paints each pixel of a mask: `brush` gets its label, whether it lies on its class's outline, and whether a dash
    /// is due there; it returns a colour and its strength.
    fn paint(
        &self,
        picture: &mut RgbImage,
        mask: &Array2<u8>,
        brush: impl Fn(u8, bool, bool) -> Option<([u8; 3], f32)>,
    ) {
        let [height, width] = self.size;
        let label = |y: usize, x: usize| mask[[self.source(0, y), self.source(1, x)]];
        for y in 0..height {
            for x in 0..width {
                let own = label(y, x);
                if own == 0 {
                    continue;
                }
                // The picture's own border is no outline.
                let (up, down) = (y.saturating_sub(STROKE), (y + STROKE).min(height - 1));
                let (left, right) = (x.saturating_sub(STROKE), (x + STROKE).min(width - 1));
                let around = [
                    (up, x),
                    (down, x),
                    (y, left),
                    (y, right),
                    (up, left),
                    (up, right),
                    (down, left),
                    (down, right),
                ];
                let edge = around.iter().any(|&(y, x)| label(y, x) != own);
                let dash = (x / DASH + y / DASH).is_multiple_of(2);
                if let Some((colour, strength)) = brush(own, edge, dash) {
                    mix(picture.get_pixel_mut(x as u32, y as u32), Rgb(colour), strength);
                }
            }
        }
    }
}
