//! The paper's five data sets: source, terms, layout and search.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::DataError;

/// A data set of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Published {
    /// Brain tumours in MRI: BraTS 2018, 2019, 2020.
    Brats,
    /// Skin lesions in dermoscopic photographs: the ISIC challenge of 2017.
    Isic2017,
    /// COVID-19 infections in CT: 100 slices and 20 scans.
    Covid,
    /// The prostate in MRI: Medical Segmentation Decathlon, Task05.
    Prostate,
    /// The pancreas in CT: Medical Segmentation Decathlon, Task07.
    Pancreas,
}

/// How to get a data set.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct About {
    /// Its name.
    pub title: &'static str,
    /// Where to get it.
    pub source: &'static str,
    /// The terms it comes under, as far as its publishers state them.
    pub terms: &'static str,
    /// Paths that must exist in the root folder or in a folder within it: one of each list, the first preferred.
    pub parts: &'static [&'static [&'static str]],
}

pub(super) const BRATS18: &str = "MICCAI_BraTS_2018_Data_Training";
pub(super) const BRATS19: &str = "MICCAI_BraTS_2019_Data_Training";
pub(super) const BRATS20: [&str; 2] = [
    "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData",
    "MICCAI_BraTS2020_TrainingData",
];

pub(super) const ISIC_TRAIN: [&str; 2] = ["ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"];
pub(super) const ISIC_VALIDATION: [&str; 2] = [
    "ISIC-2017_Validation_Data",
    "ISIC-2017_Validation_Part1_GroundTruth",
];
pub(super) const ISIC_TEST: [&str; 2] = ["ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part1_GroundTruth"];

pub(super) const COVID_SLICES: [&str; 2] = ["tr_im.nii.gz", "tr_mask.nii.gz"];
pub(super) const COVID_SCANS: [&str; 2] = ["COVID-19-CT-Seg_20cases", "Infection_Mask"];

pub(super) const PROSTATE: &str = "Task05_Prostate/dataset.json";
pub(super) const PANCREAS: &str = "Task07_Pancreas/dataset.json";

const DECATHLON: &str = "http://medicaldecathlon.com (Medical Segmentation Decathlon)";

impl Published {
    /// All five, in the paper's order.
    pub const ALL: [Self; 5] = [
        Self::Brats,
        Self::Isic2017,
        Self::Covid,
        Self::Prostate,
        Self::Pancreas,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brats => "brats",
            Self::Isic2017 => "isic2017",
            Self::Covid => "covid",
            Self::Prostate => "prostate",
            Self::Pancreas => "pancreas",
        }
    }

    /// Where to get it, its terms and its layout.
    pub fn about(self) -> About {
        match self {
            Self::Brats => About {
                title: "BraTS 2018 with the new subjects of 2019 and 2020 (training data of each year)",
                source: "https://www.med.upenn.edu/cbica/brats2020/data.html, after registration",
                terms: "those accepted on registration; the publishers ask to cite Menze et al. 2015 and Bakas et al. \
                    2017, 2018",
                parts: &[&[BRATS18], &[BRATS20[0], BRATS20[1], BRATS19]],
            },
            Self::Isic2017 => About {
                title: "ISIC 2017, part 1: lesion segmentation",
                source: "https://challenge.isic-archive.com/data/#2017",
                terms: "CC0, as the archive states for 2017; cite Codella et al. 2018",
                parts: &[
                    &[ISIC_TRAIN[0]],
                    &[ISIC_TRAIN[1]],
                    &[ISIC_VALIDATION[0]],
                    &[ISIC_VALIDATION[1]],
                    &[ISIC_TEST[0]],
                    &[ISIC_TEST[1]],
                ],
            },
            Self::Covid => About {
                title: "COVID-19 CT segmentation (100 slices) and COVID-19 CT scans (20)",
                source: "https://medicalsegmentation.com/covid19 (tr_im.nii.gz, tr_mask.nii.gz) and \
                    https://zenodo.org/record/3757476 (COVID-19-CT-Seg_20cases.zip, Infection_Mask.zip)",
                terms: "the scans: CC BY 4.0, as their record states; the slices: those of the page they come from",
                parts: &[
                    &[COVID_SLICES[0]],
                    &[COVID_SLICES[1]],
                    &[COVID_SCANS[0]],
                    &[COVID_SCANS[1]],
                ],
            },
            Self::Prostate => About {
                title: "Medical Segmentation Decathlon, Task05: prostate",
                source: DECATHLON,
                terms: "CC BY-SA 4.0, as its dataset.json states",
                parts: &[&[PROSTATE]],
            },
            Self::Pancreas => About {
                title: "Medical Segmentation Decathlon, Task07: pancreas",
                source: DECATHLON,
                terms: "CC BY-SA 4.0, as its dataset.json states",
                parts: &[&[PANCREAS]],
            },
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Looks for a data set below a folder: each part of it ([`About::parts`]) in `root` itself or in a folder directly in it,
/// and where `root` is the part's own first folder, there. Returns where each part lies, in the order of the parts. Only
/// whether they exist is looked at; what is in them the import checks.
///
/// # Errors
/// [`DataError::NoDataSet`] with the parts that are missing, where to get the set and its terms;
/// [`DataError::NotAFolder`] for a root that is none.
pub fn find(root: &Path, set: Published) -> Result<Vec<PathBuf>, DataError> {
    if !root.is_dir() {
        return Err(DataError::NotAFolder {
            path: root.to_owned(),
        });
    }
    let about = set.about();
    let found: Vec<Option<PathBuf>> = about
        .parts
        .iter()
        .map(|part| part.iter().find_map(|one| locate(root, one)))
        .collect();
    let missing: Vec<String> = about
        .parts
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(part, _)| part.join(" or "))
        .collect();
    if missing.is_empty() {
        return Ok(found.into_iter().flatten().collect());
    }
    Err(DataError::NoDataSet {
        root: root.to_owned(),
        set: about.title,
        missing: missing.join(", "),
        source_of: about.source,
        terms: about.terms,
    })
}

/// Where a part lies: in `root`, in `root` as the part's own first folder, or in a folder of `root` (the first by name).
pub(super) fn locate(root: &Path, part: &str) -> Option<PathBuf> {
    let here = root.join(part);
    if here.exists() {
        return Some(here);
    }
    let (first, rest) = part.split_once('/').unwrap_or((part, ""));
    let named = root.canonicalize().ok()?.file_name()? == first;
    if named {
        let within = if rest.is_empty() {
            root.to_owned()
        } else {
            root.join(rest)
        };
        if within.exists() {
            return Some(within);
        }
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| folder.join(part))
        .find(|path| path.exists())
}
