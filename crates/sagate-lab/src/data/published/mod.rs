//! Published data sets as task folders: each reader knows one layout, and how the paper split what lies in it.
//!
//! The five of the ProtoSeg paper (section 4.1) are [`Published`]; three readers more take any Medical Segmentation Decathlon task, any nnU-Net raw data set, and plain folders ([`Layout`]). Nothing is
//! downloaded: [`find`] says whether a set lies under a folder, and where to get one that does not.
//!
//! What every reader makes: 2D slices with one object class, split by subject (a subject is never in two splits), whose
//! positions run on within a volume and leave a [`GAP`] between volumes, so that nothing that works on neighbouring
//! slices mixes subjects. `task.toml` says how it was made. A volume is in memory only while its slices are written.

mod about;
mod brats;
mod case;
mod covid;
mod decathlon;
mod folder;
mod isic2017;
mod nnunet;
mod object;
mod plan;
mod split;
mod values;
mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use about::{About, Published, find};
pub use write::GAP;

use self::object::Object;
use super::{DataError, Task};

/// What lies in the folder that is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Layout {
    /// BraTS 2018, 2019 and 2020: whole brain tumours in four MR modalities
    Brats,
    /// ISIC 2017: skin lesions
    Isic2017,
    /// COVID-19 CT: infections of the lungs, 100 slices and 20 scans
    Covid,
    /// Decathlon's Task05: the prostate in T2 and ADC
    Prostate,
    /// Decathlon's Task07: the pancreas and its masses in CT
    Pancreas,
    /// Any task of the Medical Segmentation Decathlon: the folder that holds dataset.json
    Decathlon,
    /// Any raw data set of nnU-Net: the folder DatasetXXX_Name
    Nnunet,
    /// Images and masks in plain folders: images/ and masks/, or these in train/, validation/ and test/
    Folder,
}

/// What happens to slices that show nothing of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    /// They are written like any other
    Keep,
    /// They are left out, in every split
    Drop,
}

/// How a data set becomes a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Height and width of every image in pixels; none for the sizes they have. Images are resampled linearly (each new
    /// pixel averages what it covers), masks take the nearest label.
    pub side: Option<usize>,
    /// Which of the many random splits.
    pub seed: u64,
    /// The share of the training subjects that validate, above 0 and below 1; none for a tenth, or for the data set's own
    /// validation split where it has one (then no share may be given).
    pub validation: Option<f64>,
    /// The share of all subjects that test; none for a fifth, for the paper's share, or for the data set's own test split
    /// (in the latter two cases no share may be given).
    pub test: Option<f64>,
    /// Slices without object.
    pub empty: Empty,
    /// The labels that make the object, none of them 0; none for every label but 0 (and nnU-Net's `ignore`).
    pub object: Option<Vec<u16>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            side: None,
            seed: 1,
            validation: None,
            test: None,
            empty: Empty::Drop,
            object: None,
        }
    }
}

/// What to import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// How it is laid out.
    pub layout: Layout,
    /// Where it lies: for the paper's five any folder that [`find`] takes, else the data set's own folder.
    pub root: PathBuf,
    /// What is made of it.
    pub options: Options,
}

/// The largest side of an image, as preprocessing has it.
const LARGEST_SIDE: usize = 8192;

/// Writes a data set as a task folder `out`, which appears when it is whole. `progress` gets the number of subjects
/// (or single pictures) that are done, and of all. The same files and options give the same bytes.
///
/// # Errors
/// A set that is not there or is incomplete, files that cannot be read or do not fit each other (image and mask, their
/// labels, their channels), settings that cannot be, a split that stays empty, and, unless `force`, an `out` that holds
/// something already. Each names the file, folder or setting; nothing is left behind.
pub fn import(
    what: &Import,
    out: &Path,
    force: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Task, DataError> {
    let Import {
        layout,
        root,
        options,
    } = what;
    check(options)?;
    let plan = match layout {
        Layout::Brats => brats::plan(root, options)?,
        Layout::Isic2017 => isic2017::plan(root, options)?,
        Layout::Covid => covid::plan(root, options)?,
        Layout::Prostate => decathlon::prostate(root, options)?,
        Layout::Pancreas => decathlon::pancreas(root, options)?,
        Layout::Decathlon => decathlon::plan(root, options)?,
        Layout::Nnunet => nnunet::plan(root, options)?,
        Layout::Folder => folder::plan(root, options)?,
    };
    write::write(&plan, what, out, force, progress)
}

impl Layout {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brats => Published::Brats.name(),
            Self::Isic2017 => Published::Isic2017.name(),
            Self::Covid => Published::Covid.name(),
            Self::Prostate => Published::Prostate.name(),
            Self::Pancreas => Published::Pancreas.name(),
            Self::Decathlon => "decathlon",
            Self::Nnunet => "nnunet",
            Self::Folder => "folder",
        }
    }
}

impl From<Published> for Layout {
    fn from(set: Published) -> Self {
        match set {
            Published::Brats => Self::Brats,
            Published::Isic2017 => Self::Isic2017,
            Published::Covid => Self::Covid,
            Published::Prostate => Self::Prostate,
            Published::Pancreas => Self::Pancreas,
        }
    }
}

fn check(options: &Options) -> Result<(), DataError> {
    let setting = |flag, was: String, want| Err(DataError::Setting { flag, was, want });
    match options.side {
        Some(side) if !(1..=LARGEST_SIDE).contains(&side) => {
            return setting("side", side.to_string(), "1 to 8192 pixels");
        }
        _ => {}
    }
    for (flag, share) in [("validation", options.validation), ("test", options.test)] {
        match share {
            Some(share) if !(share > 0.0 && share < 1.0) => {
                return setting(flag, share.to_string(), "a share above 0 and below 1");
            }
            _ => {}
        }
    }
    match &options.object {
        Some(labels) if labels.is_empty() || labels.contains(&0) => {
            let was = labels.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            setting(
                "object",
                format!("'{was}'"),
                "labels of the masks, 1 to 65535; 0 is background",
            )
        }
        _ => Ok(()),
    }
}
