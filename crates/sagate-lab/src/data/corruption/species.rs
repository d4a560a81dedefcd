//! Another species.

use ndarray::{Array2, Array3};

use super::{Severity, check};
use crate::data::{DataError, Example};

/// Scale of the other head; 1 is the size of a human head, the last about a macaque's true size.
const SIZE: [f64; 3] = [1.0, 0.7, 0.43];

/// Sampling points along each side of a pixel when shrinking, against aliasing.
const POINTS: usize = 3;

/// The image of the other species with the nearest position (the lower of two equally near), shrunk about its centre, with its own
/// truth; keeps the name and position of `example`.
pub(super) fn replace(
    example: &Example,
    other: &[Example],
    severity: Severity,
) -> Result<Example, DataError> {
    let nearest = other
        .iter()
        .min_by_key(|candidate| {
            (
                candidate.position.abs_diff(example.position),
                candidate.position,
                candidate.name.clone(),
            )
        })
        .ok_or_else(|| DataError::NoOther {
            name: example.name.clone(),
        })?;
    check(nearest)?;
    let size = severity.select(SIZE);
    let mut image = nearest.image.clone();
    let mut truth = nearest.truth.clone();
    if size < 1.0 {
        image.pixels = shrink(&nearest.image.pixels, size);
        truth = nearest.truth.as_ref().map(|truth| shrink_labels(truth, size));
    }
    Ok(Example {
        name: example.name.clone(),
        position: example.position,
        image,
        truth,
        difficulty: nearest.difficulty,
    })
}

/// The coordinate in the original image of a coordinate in the shrunk one.
fn source_coordinate(at: f64, side: usize, size: f64) -> f64 {
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
                let y = source_coordinate(row as f64 + dy, height, size);
                let x = source_coordinate(column as f64 + dx, width, size);
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
        let y = source_coordinate(row as f64, height, size).round();
        let x = source_coordinate(column as f64, width, size).round();
        if y < 0.0 || x < 0.0 {
            0
        } else {
            labels.get([y as usize, x as usize]).copied().unwrap_or(0)
        }
    })
}
