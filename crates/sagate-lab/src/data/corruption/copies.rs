//! Corrupted copies as files.

use std::path::Path;

use super::{Corruption, CorruptionKind, apply};
use crate::data::difficulty::{self, Entry};
use crate::data::files::replace_folder;
use crate::data::{DataError, Example, image_extension, write_image, write_mask};

/// Corrupts every image of a stack and writes the copies as a data set folder: `out/images/NAME.png` (16 bit; `.npy` unless there are one
/// or three channels), `out/masks/NAME.png` if every image has truth, and `out/difficulty.csv` with the difficulty of the original images
/// if it is known for every image. The folder appears atomically. `each` is called after each image.
///
/// # Errors
/// As [`apply`], when a folder cannot be written, and, unless `force`, when `out` holds anything already.
pub fn write_copies(
    corruption: &Corruption,
    stack: &[Example],
    other: &[Example],
    out: &Path,
    force: bool,
    mut each: impl FnMut(),
) -> Result<(), DataError> {
    replace_folder(out, force, |fresh| {
        let (images, masks) = (fresh.join("images"), fresh.join("masks"));
        std::fs::create_dir(&images).map_err(DataError::io("create the folder", &images))?;
        let truths = if corruption.kind == CorruptionKind::OtherSpecies {
            other
        } else {
            stack
        };
        let with_truth = truths.iter().all(|example| example.truth.is_some());
        if with_truth {
            std::fs::create_dir(&masks).map_err(DataError::io("create the folder", &masks))?;
        }
        let mut difficulties = Vec::with_capacity(stack.len());
        for index in 0..stack.len() {
            let copy = apply(corruption, stack, index, other)?;
            let file = format!("{}.{}", copy.name, image_extension(&copy.image));
            write_image(&images.join(file), &copy.image)?;
            if let (true, Some(truth)) = (with_truth, &copy.truth) {
                write_mask(&masks.join(format!("{}.png", copy.name)), truth)?;
            }
            difficulties.push(copy.difficulty.map(|difficulty| Entry {
                name: copy.name,
                difficulty,
                more: Vec::new(),
            }));
            each();
        }
        match difficulties.into_iter().collect::<Option<Vec<_>>>() {
            Some(entries) => difficulty::write(fresh, &[], &entries),
            None => Ok(()),
        }
    })
}
