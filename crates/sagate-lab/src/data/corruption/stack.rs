//! Thick slices.

use ndarray::Array3;

use super::Severity;
use crate::data::{DataError, Example};

/// How many slices on each side are averaged with the middle one: 3, 5 and 9 slices in all.
const REACH: [usize; 3] = [1, 2, 4];

/// The mean over a slice and all its neighbours within reach, by position. The truth is that of the middle slice.
pub(super) fn thicken(stack: &[Example], index: usize, severity: Severity) -> Result<Example, DataError> {
    let middle = &stack[index];
    let reach = severity.select(REACH);
    let mut near: Vec<&Example> = stack
        .iter()
        .filter(|slice| slice.position.abs_diff(middle.position) <= reach)
        .collect();
    if near.len() < 2 {
        return Err(DataError::NoNeighbours {
            name: middle.name.clone(),
            position: middle.position,
            reach,
        });
    }
    // A fixed order makes the sum independent of the order of the stack.
    near.sort_by_key(|slice| slice.position);
    let mut sum = Array3::<f64>::zeros(middle.image.pixels.dim());
    for slice in &near {
        if slice.image.pixels.dim() != middle.image.pixels.dim() {
            return Err(DataError::StackSize {
                name: middle.name.clone(),
                was: middle.image.pixels.dim().into(),
                neighbour: slice.name.clone(),
                want: slice.image.pixels.dim().into(),
            });
        }
        if let Some(odd) = slice.image.pixels.iter().find(|v| !v.is_finite()) {
            let what = format!("holds the value {odd}; every pixel must be finite");
            return Err(DataError::Image {
                name: slice.name.clone(),
                what,
            });
        }
        sum.zip_mut_with(&slice.image.pixels, |sum, &v| *sum += f64::from(v));
    }
    let mut thick = middle.clone();
    thick.image.pixels = sum.mapv(|sum| (sum / near.len() as f64) as f32);
    Ok(thick)
}
