//! COVID-19 CT: 100 slices of many patients, and 20 whole scans.

use std::path::Path;

use sagate_core::imaging::Plane;

use super::Options;
use super::about::{COVID_SCANS, COVID_SLICES, Published, find};
use super::object::Object;
use super::plan::{Case, Part, Place, Plan, files_ending};
use super::split::{reject_share, split_subjects, validation_share};
use super::values::Values;
use crate::data::DataError;

/// The window that the publishers of the scans gave half of them, and advise for the others, in HU.
const WINDOW: Values = Values::Window {
    low: -1250.0,
    high: 250.0,
};
/// That window as the scans from Radiopaedia have it already.
const WINDOWED: Values = Values::Window {
    low: 0.0,
    high: 255.0,
};
const WINDOWED_PREFIX: &str = "radiopaedia";

/// The paper's share of slices that test.
const TEST: f64 = 328.0 / 1944.0;

/// Scans are split at random; the 100 slices, which have no patient identity, are for training.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    reject_share("test", options.test)?;
    let places = find(root, Published::Covid)?;
    let [slices, slice_masks, scans, scan_masks] = [&places[0], &places[1], &places[2], &places[3]];
    let splits = split_subjects(scans, cases(scans, scan_masks)?, TEST, options)?;
    let mut train = splits.train;
    train.push(Case {
        name: "slices".to_owned(),
        images: vec![slices.clone()],
        mask: slice_masks.clone(),
        values: vec![WINDOW],
        place: Place::Apart,
    });
    let share = validation_share(options);
    Ok(Plan {
        name: "covid".to_owned(),
        description: "COVID-19 infections in axial CT slices of the lungs".to_owned(),
        plane: Some(Plane::Axial),
        channels: vec!["CT".to_owned()],
        values: format!(
            "in HU {}; files named {WINDOWED_PREFIX}* have this window already as 0..255",
            WINDOW.words()
        ),
        source: format!(
            "{} and {}, {} and {}; terms: {}",
            COVID_SLICES[0],
            COVID_SLICES[1],
            COVID_SCANS[0],
            COVID_SCANS[1],
            Published::Covid.about().terms
        ),
        files: Vec::new(),
        class: "infection".to_owned(),
        object: Object::new(options, None),
        train: Part {
            cases: train,
            words: format!(
                "scans that neither test nor validate, and {}, whose slices have no patient identity",
                COVID_SLICES[0]
            ),
        },
        validation: Part {
            cases: splits.validation,
            words: format!("a share of {share} of the scans that do not test, by chance"),
        },
        test: Part {
            cases: splits.test,
            words: "whole scans by chance, as many of all as the paper tests slices of all (328 of 1944)"
                .to_owned(),
        },
    })
}

fn cases(scans: &Path, masks: &Path) -> Result<Vec<Case>, DataError> {
    const ENDING: &str = ".nii.gz";
    let mut truths = files_ending(masks, ENDING)?;
    let mut cases = Vec::new();
    for (name, image) in files_ending(scans, ENDING)? {
        let mask = truths.remove(&name).ok_or_else(|| DataError::Incomplete {
            path: masks.join(format!("{name}{ENDING}")),
            why: format!("it is the mask of {}", image.display()),
        })?;
        let windowed = name.to_ascii_lowercase().starts_with(WINDOWED_PREFIX);
        cases.push(Case {
            name,
            images: vec![image],
            mask,
            values: vec![if windowed { WINDOWED } else { WINDOW }],
            place: Place::Stack,
        });
    }
    match truths.pop_first() {
        Some((name, mask)) => Err(DataError::Incomplete {
            path: scans.join(format!("{name}{ENDING}")),
            why: format!("it is the scan of {}", mask.display()),
        }),
        None => Ok(cases),
    }
}
