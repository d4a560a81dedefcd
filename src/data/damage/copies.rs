//! Damaged copies as files.

use std::path::Path;

use super::{Damage, Kind, apply};
use crate::data::files::replace_folder;
use crate::data::{DataError, Example, write_image, write_mask};

/// Damages every image of a stack and writes the copies as a data set folder: `out/images/NAME.png` (16 bit) and, for
/// those with truth, `out/masks/NAME.png`. The folder appears when it is whole. `each` is called after each image.
///
/// Where only some have truth, no mask is written, as a folder of masks must have one for every image.
///
/// # Errors
/// As [`apply`], when a folder cannot be written, and, unless `force`, when `out` holds anything already.
pub fn write_copies(
    damage: &Damage,
    stack: &[Example],
    other: &[Example],
    out: &Path,
    force: bool,
    mut each: impl FnMut(),
) -> Result<(), DataError> {
    replace_folder(out, force, |fresh| {
        let (images, masks) = (fresh.join("images"), fresh.join("masks"));
        std::fs::create_dir(&images).map_err(DataError::io("create the folder", &images))?;
        let truths = if damage.kind == Kind::OtherSpecies {
            other
        } else {
            stack
        };
        let with_truth = truths.iter().all(|example| example.truth.is_some());
        if with_truth {
            std::fs::create_dir(&masks).map_err(DataError::io("create the folder", &masks))?;
        }
        for index in 0..stack.len() {
            let copy = apply(damage, stack, index, other)?;
            let name = format!("{}.png", copy.name);
            write_image(&images.join(&name), &copy.image)?;
            if let (true, Some(truth)) = (with_truth, &copy.truth) {
                write_mask(&masks.join(&name), truth)?;
            }
            each();
        }
        Ok(())
    })
}
