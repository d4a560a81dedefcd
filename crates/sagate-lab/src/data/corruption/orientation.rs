//! Wrong orientation.

use ndarray::Axis;
use rand::Rng;

use super::Severity;
use crate::data::Example;

/// Severity 1 flips the columns (left-right, or front-back in a sagittal slice), severity 2 rotates by 90 degrees in a random direction,
/// severity 3 flips the rows (upside down). The truth is transformed alike; a rotation exchanges height and width.
pub(super) fn turn(example: &mut Example, severity: Severity, random: &mut impl Rng) {
    let pixels = &mut example.image.pixels;
    let clockwise = random.r#gen::<bool>();
    match severity {
        Severity::Mild => pixels.invert_axis(Axis(2)),
        Severity::Moderate => {
            pixels.swap_axes(1, 2);
            pixels.invert_axis(Axis(if clockwise { 2 } else { 1 }));
            example.image.spacing.reverse();
        }
        Severity::Severe => pixels.invert_axis(Axis(1)),
    }
    // Restore the row-major layout.
    *pixels = pixels.as_standard_layout().into_owned();
    if let Some(truth) = &mut example.truth {
        match severity {
            Severity::Mild => truth.invert_axis(Axis(1)),
            Severity::Moderate => {
                truth.swap_axes(0, 1);
                truth.invert_axis(Axis(if clockwise { 1 } else { 0 }));
            }
            Severity::Severe => truth.invert_axis(Axis(0)),
        }
        *truth = truth.as_standard_layout().into_owned();
    }
}
