//! Another species.

use ndarray::{Array2, Array3};

use super::{Grade, check};
use crate::data::{DataError, Example};

/// The size the other head is shown at, 1 being as large as a human one; the last is about a macaque's true size.
const SIZE: [f64; 3] = [1.0, 0.7, 0.43];

/// Points along each side of a pixel at which a shrunk picture is read, so that fine detail does not alias.
const POINTS: usize = 3;

/// The image of the other species whose position is nearest (of two as near the lower), shrunk about its centre, with
/// its own truth; name and position stay those of `example`.
pub(super) fn replace(example: &Example, other: &[Example], grade: Grade) -> Result<Example, DataError> {
    let theirs = other
        .iter()
        .min_by_key(|theirs| {
            (
                theirs.position.abs_diff(example.position),
                theirs.position,
                theirs.name.clone(),
            )
        })
        .ok_or_else(|| DataError::NoOther {
            name: example.name.clone(),
        })?;
    check(theirs)?;
    let size = grade.of(SIZE);
    let mut image = theirs.image.clone();
    let mut truth = theirs.truth.clone();
    if size < 1.0 {
        image.pixels = shrink(&theirs.image.pixels, size);
        truth = theirs.truth.as_ref().map(|truth| shrink_labels(truth, size));
    }
    Ok(Example {
        name: example.name.clone(),
        position: example.position,
        image,
        truth,
        difficulty: theirs.difficulty,
    })
}

/// Where a point of the shrunk picture lies in the whole one.
fn whole(at: f64, side: usize, size: f64) -> f64 {
    let centre = (side as f64 - 1.0) / 2.0;
    centre + (at - centre) / size
}

fn shrink(pixels: &Array3<f32>, size: f64) -> Array3<f32> {
    let (_, height, width) = pixels.dim();
    let offsets: [f64; POINTS] = std::array::from_fn(|i| (i as f64 + 0.5) / POINTS as f64 - 0.5);
    Array3::from_shape_fn(pixels.dim(), |(channel, row, column)| {
        let mut sum = 0.0;
        for dy in offsets {
            for dx in offsets {
                let y = whole(row as f64 + dy, height, size);
                let x = whole(column as f64 + dx, width, size);
                sum += linear(pixels, channel, y, x);
            }
        }
        (sum / (POINTS * POINTS) as f64) as f32
    })
}

/// The value between pixels, linear in both directions; 0 outside.
fn linear(pixels: &Array3<f32>, channel: usize, y: f64, x: f64) -> f64 {
    let (top, left) = (y.floor(), x.floor());
    let mut sum = 0.0;
    for (row, across) in [(top, 1.0 - (y - top)), (top + 1.0, y - top)] {
        for (column, along) in [(left, 1.0 - (x - left)), (left + 1.0, x - left)] {
            if row >= 0.0 && column >= 0.0 {
                let value = pixels.get([channel, row as usize, column as usize]);
                sum += across * along * value.map_or(0.0, |&v| f64::from(v));
            }
        }
    }
    sum
}

fn shrink_labels(labels: &Array2<u8>, size: f64) -> Array2<u8> {
    let (height, width) = labels.dim();
    Array2::from_shape_fn((height, width), |(row, column)| {
        let y = whole(row as f64, height, size).round();
        let x = whole(column as f64, width, size).round();
        if y < 0.0 || x < 0.0 {
            0
        } else {
            labels.get([y as usize, x as usize]).copied().unwrap_or(0)
        }
    })
}
