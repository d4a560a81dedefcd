//! Wrong orientation.

use ndarray::Axis;
use rand::Rng;

use super::Grade;
use crate::data::Example;

/// Grade 1 flips the columns (left-right, or front-back in a sagittal slice), grade 2 turns by a quarter one way or the
/// other, grade 3 flips the rows (upside down). The truth moves along; a quarter turn exchanges height and width.
pub(super) fn turn(example: &mut Example, grade: Grade, random: &mut impl Rng) {
    let pixels = &mut example.image.pixels;
    let clockwise = random.r#gen::<bool>();
    match grade {
        Grade::Mild => pixels.invert_axis(Axis(2)),
        Grade::Moderate => {
            pixels.swap_axes(1, 2);
            pixels.invert_axis(Axis(if clockwise { 2 } else { 1 }));
            example.image.spacing.reverse();
        }
        Grade::Severe => pixels.invert_axis(Axis(1)),
    }
    // Back into rows one after the other, so that what follows need not care.
    *pixels = pixels.as_standard_layout().into_owned();
    if let Some(truth) = &mut example.truth {
        match grade {
            Grade::Mild => truth.invert_axis(Axis(1)),
            Grade::Moderate => {
                truth.swap_axes(0, 1);
                truth.invert_axis(Axis(if clockwise { 1 } else { 0 }));
            }
            Grade::Severe => truth.invert_axis(Axis(0)),
        }
        *truth = truth.as_standard_layout().into_owned();
    }
}
