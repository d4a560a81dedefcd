//! ISIC 2017, part 1: skin lesions in dermoscopic photographs.

use std::path::Path;

use super::Options;
use super::about::{ISIC_TEST, ISIC_TRAIN, ISIC_VALIDATION, Published, find};
use super::object::Object;
use super::plan::{Case, Part, Place, Plan, files_ending};
use super::split::reject_share;
use super::values::Values;
use crate::data::DataError;

const MASK: &str = "_segmentation.png";
/// 8 bits become 16.
const VALUES: Values = Values::Window {
    low: 0.0,
    high: 255.0,
};

/// The official splits: 2000 images train, 150 validate, 600 test.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    reject_share("validation", options.validation)?;
    reject_share("test", options.test)?;
    let places = find(root, Published::Isic2017)?;
    let part = |index: usize, folders: [&str; 2]| -> Result<Part, DataError> {
        Ok(Part {
            cases: cases(&places[2 * index], &places[2 * index + 1])?,
            words: format!("the official split: {} and {}", folders[0], folders[1]),
        })
    };
    Ok(Plan {
        name: "isic2017".to_owned(),
        description: "The lesion in a dermoscopic photograph of the skin".to_owned(),
        plane: None,
        channels: ["red", "green", "blue"].map(str::to_owned).to_vec(),
        values: VALUES.words(),
        source: format!("ISIC 2017, part 1; terms: {}", Published::Isic2017.about().terms),
        files: Vec::new(),
        class: "lesion".to_owned(),
        object: Object::new(options, None),
        train: part(0, ISIC_TRAIN)?,
        validation: part(1, ISIC_VALIDATION)?,
        test: part(2, ISIC_TEST)?,
    })
}

/// The photographs (superpixels lie beside them as PNG) with their masks.
fn cases(images: &Path, masks: &Path) -> Result<Vec<Case>, DataError> {
    let mut truths = files_ending(masks, MASK)?;
    let mut cases = Vec::new();
    for (name, image) in files_ending(images, ".jpg")? {
        let mask = truths.remove(&name).ok_or_else(|| DataError::Incomplete {
            path: masks.join(format!("{name}{MASK}")),
            why: format!("it is the mask of {}", image.display()),
        })?;
        cases.push(Case {
            name,
            images: vec![image],
            mask,
            values: vec![VALUES; 3],
            place: Place::Stack,
        });
    }
    match truths.pop_first() {
        Some((name, mask)) => Err(DataError::Incomplete {
            path: images.join(format!("{name}.jpg")),
            why: format!("it is the image of {}", mask.display()),
        }),
        None if cases.is_empty() => Err(DataError::EmptyFolder {
            path: images.to_owned(),
        }),
        None => Ok(cases),
    }
}
