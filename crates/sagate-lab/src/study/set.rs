//! The data sets of the study.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sagate_core::imaging::preprocess::Step;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::{Cache, StepId};
use super::error::StudyError;
use super::profile::Profile;
use crate::data::corruption::apply;
use crate::data::phantom::{self, Family, PhantomPlan};
use crate::data::published::{self, Import, Layout, Options, Published, find};
use crate::data::t1::{self, Templates};
use crate::data::{Corruption, CorruptionKind, DataError, Example, Severity, Split, Task};
use crate::train::{Sample, Samples};

/// A data set of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Phantoms in the place of BraTS.
    BratsLike,
    /// Phantoms in the place of ISIC 2017.
    IsicLike,
    /// Phantoms in the place of the COVID-19 CT set.
    CovidLike,
    /// Phantoms in the place of the Decathlon's prostate.
    ProstateLike,
    /// Phantoms in the place of the Decathlon's pancreas.
    PancreasLike,
    /// Real T1 slices: the brain.
    T1Brain,
    /// Real T1 slices: the deep grey nuclei.
    T1Nuclei,
    /// BraTS 2018 to 2020 itself.
    Brats,
    /// ISIC 2017 itself.
    Isic,
    /// The COVID-19 CT set itself.
    Covid,
    /// The Decathlon's prostate itself.
    Prostate,
    /// The Decathlon's pancreas itself.
    Pancreas,
}

/// A set's images, ready for a network.
#[derive(Debug, Clone)]
pub struct SetImages {
    /// Which set.
    pub set: Set,
    /// The prepared images of training and validation.
    pub samples: Arc<Samples>,
    /// The unprepared test images.
    pub test: Vec<Example>,
    /// Images of another species, where the set has any.
    pub other: Vec<Example>,
    /// The preprocessing steps.
    pub steps: Vec<Step>,
    /// The hash of all of it.
    pub key: String,
}

impl Set {
    /// The sets that every machine has: the phantoms in the paper's order, then the real slices.
    pub const ALL: [Set; 7] = [
        Set::BratsLike,
        Set::IsicLike,
        Set::CovidLike,
        Set::ProstateLike,
        Set::PancreasLike,
        Set::T1Brain,
        Set::T1Nuclei,
    ];

    /// Its name in tables, files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Set::BratsLike => "brats-like",
            Set::IsicLike => "isic-like",
            Set::CovidLike => "covid-like",
            Set::ProstateLike => "prostate-like",
            Set::PancreasLike => "pancreas-like",
            Set::T1Brain => "t1-brain",
            Set::T1Nuclei => "t1-nuclei",
            Set::Brats => "brats",
            Set::Isic => "isic",
            Set::Covid => "covid",
            Set::Prostate => "prostate",
            Set::Pancreas => "pancreas",
        }
    }

    /// The set of the paper that it is or whose place it takes.
    pub fn paper(self) -> Option<&'static str> {
        match self {
            Set::BratsLike | Set::Brats => Some("BraTS"),
            Set::IsicLike | Set::Isic => Some("ISIC"),
            Set::CovidLike | Set::Covid => Some("COVID"),
            Set::ProstateLike | Set::Prostate => Some("Prostate"),
            Set::PancreasLike | Set::Pancreas => Some("Pancreas"),
            Set::T1Brain | Set::T1Nuclei => None,
        }
    }

    /// The published set that it is.
    pub fn published(self) -> Option<Published> {
        match self {
            Set::Brats => Some(Published::Brats),
            Set::Isic => Some(Published::Isic2017),
            Set::Covid => Some(Published::Covid),
            Set::Prostate => Some(Published::Prostate),
            Set::Pancreas => Some(Published::Pancreas),
            _ => None,
        }
    }

    /// The published set in whose place phantoms are drawn.
    fn real(self) -> Option<Set> {
        match self {
            Set::BratsLike => Some(Set::Brats),
            Set::IsicLike => Some(Set::Isic),
            Set::CovidLike => Some(Set::Covid),
            Set::ProstateLike => Some(Set::Prostate),
            Set::PancreasLike => Some(Set::Pancreas),
            _ => None,
        }
    }

    /// The sets of a study: [`Set::ALL`], with a published set in the place of its phantoms where it lies below `data_root`; and for
    /// each that does not, what is missing, where to get it and its terms.
    ///
    /// # Errors
    /// A root that is no folder.
    pub fn for_study(data_root: Option<&Path>) -> Result<(Vec<Set>, Vec<String>), StudyError> {
        let (mut sets, mut missing) = (Vec::new(), Vec::new());
        for set in Set::ALL {
            let real = data_root.zip(set.real());
            let found = real.and_then(|(root, real)| Some((find(root, real.published()?), real)));
            sets.push(match found {
                Some((Ok(_), real)) => real,
                Some((Err(error @ DataError::NoDataSet { .. }), _)) => {
                    missing.push(error.to_string());
                    set
                }
                Some((Err(error), _)) => return Err(error.into()),
                None => set,
            });
        }
        Ok((sets, missing))
    }

    /// Whether its images are of heads, so that other heads can be tried.
    pub fn is_of_heads(self) -> bool {
        matches!(self, Set::T1Brain | Set::T1Nuclei)
    }

    fn family(self) -> Option<Family> {
        match self {
            Set::BratsLike => Some(Family::BratsLike),
            Set::IsicLike => Some(Family::IsicLike),
            Set::CovidLike => Some(Family::CovidLike),
            Set::ProstateLike => Some(Family::ProstateLike),
            Set::PancreasLike => Some(Family::PancreasLike),
            _ => None,
        }
    }

    /// Height and width on which its networks work: multiples of 16, near the sides' true ratio and as large as the phantoms.
    fn size(self, side: usize) -> [usize; 2] {
        let multiple = |ratio: f64| ((side as f64 * ratio / 16.0).round() as usize).max(1) * 16;
        match self {
            Set::T1Brain => [multiple(1.25), multiple(1.5)],
            Set::T1Nuclei => [multiple(1.5), multiple(0.75)],
            _ => [side, side],
        }
    }

    /// The preprocessing steps.
    fn steps(self, side: usize) -> Vec<Step> {
        let size = self.size(side);
        let clip = Step::ClipPercentiles { low: 0.5, high: 99.5 };
        vec![Step::ResampleTo { size }, clip, Step::ZScore]
    }

    /// Makes the set's images, or takes those that are there, and prepares them.
    ///
    /// # Errors
    /// When the volumes of the real slices are missing, or files cannot be read or written.
    pub fn images(
        self,
        cache: &Cache,
        profile: &Profile,
        data_root: Option<&Path>,
    ) -> Result<SetImages, StudyError> {
        let task = self.task(cache, profile, data_root)?;
        let steps = self.steps(profile.side);
        let samples = Arc::new(Samples::read(&task, &steps)?);
        let (test, other) = (task.split(Split::Test)?, task.other()?);
        Ok(SetImages {
            set: self,
            key: key(&samples.fingerprint, &test, &other, &steps),
            samples,
            test,
            other,
            steps,
        })
    }

    fn task(self, cache: &Cache, profile: &Profile, data_root: Option<&Path>) -> Result<Task, StudyError> {
        if let Some((set, root)) = self.published().zip(data_root) {
            return published(set, root, cache, profile.side);
        }
        let Some(family) = self.family() else {
            let made = cache.step(&StepId::new("data-t1", serde_json::Value::Null), |folder| {
                t1::build(&Templates::in_folder(Path::new(t1::FOLDER)), folder, false)?;
                Ok(())
            })?;
            return Ok(Task::open(&made.folder.join(self.name()))?);
        };
        let [train, validation, test] = profile.images;
        let inputs = serde_json::json!([family, profile.side, profile.images, profile.seed]);
        let step = StepId::new(format!("data-{}", self.name()), inputs);
        let made = cache.step(&step, |folder| {
            let plan = PhantomPlan {
                family,
                side: profile.side,
                train,
                validation,
                test,
                seed: profile.seed,
            };
            phantom::build(&plan, folder, false)?;
            Ok(())
        })?;
        Ok(Task::open(&made.folder.join(self.name()))?)
    }
}

/// A published set, cut into slices once.
fn published(set: Published, root: &Path, cache: &Cache, side: usize) -> Result<Task, StudyError> {
    let mut files = Vec::new();
    for part in find(root, set)? {
        sizes(&part, &mut files)?;
    }
    files.sort();
    let step = StepId::new(format!("data-{set}"), serde_json::json!([side, files]));
    let made = cache.step(&step, |folder| {
        let import = Import {
            layout: Layout::from(set),
            root: root.to_owned(),
            options: Options {
                side: Some(side),
                ..Options::default()
            },
        };
        published::import(&import, &folder.join(set.name()), false, &mut |_, _| ())?;
        Ok(())
    })?;
    Ok(Task::open(&made.folder.join(set.name()))?)
}

/// The paths and sizes of all files below a part of a data set, to detect changes without reading gigabytes.
fn sizes(path: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), StudyError> {
    let about = path.metadata().map_err(StudyError::io("read", path))?;
    if !about.is_dir() {
        files.push((path.to_owned(), about.len()));
        return Ok(());
    }
    for entry in path.read_dir().map_err(StudyError::io("read", path))? {
        sizes(&entry.map_err(StudyError::io("read", path))?.path(), files)?;
    }
    Ok(())
}

/// The hash of everything that a measurement on a set may depend on.
fn key(fingerprint: &str, test: &[Example], other: &[Example], steps: &[Step]) -> String {
    let mut hash = Sha256::new();
    hash.update(fingerprint);
    hash.update(serde_json::to_vec(steps).expect("steps are plain values"));
    for example in test.iter().chain(other) {
        hash.update(&example.name);
        example
            .image
            .pixels
            .iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
        example
            .truth
            .iter()
            .flatten()
            .for_each(|label| hash.update([*label]));
    }
    hash.finalize()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl SetImages {
    /// The kinds of corruption that apply to its images.
    pub fn kinds(&self) -> Vec<CorruptionKind> {
        let possible = |kind: &CorruptionKind| match kind {
            CorruptionKind::OtherSpecies => !self.other.is_empty(),
            // Independent subjects have no neighbours to be averaged with.
            CorruptionKind::ThickSlices => self
                .test
                .windows(2)
                .any(|pair| pair[1].position == pair[0].position + 1),
            _ => true,
        };
        CorruptionKind::ALL.into_iter().filter(possible).collect()
    }

    /// Pixels of a prepared image.
    pub fn pixels(&self) -> usize {
        self.samples.train.first().map_or(0, |sample| sample.labels.len())
    }

    /// The clean images' `None`, then every kind and severity of corruption.
    pub fn versions(&self, severities: &[u8], seed: u64) -> Result<Vec<Option<Corruption>>, StudyError> {
        let mut versions = vec![None];
        for kind in self.kinds() {
            for &severity in severities {
                let severity = Severity::try_from(severity)?;
                versions.push(Some(Corruption { kind, severity, seed }));
            }
        }
        Ok(versions)
    }

    /// The test images, corrupted and prepared.
    ///
    /// # Errors
    /// As [`apply`] and [`Sample::new`].
    pub fn corrupted(&self, corruption: Option<Corruption>) -> Result<Vec<Sample>, StudyError> {
        let prepare = |example: &Example| Ok(Sample::new(example, "test", &self.steps)?);
        (0..self.test.len())
            .map(|index| match corruption {
                None => prepare(&self.test[index]),
                Some(corruption) => prepare(&apply(&corruption, &self.test, index, &self.other)?),
            })
            .collect()
    }
}
