//! The Medical Segmentation Decathlon: any task, and the paper's two.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sagate_core::imaging::Plane;
use serde::Deserialize;

use super::about::{Published, find};
use super::object::Object;
use super::plan::{Case, Part, Place, Plan, needed, terms};
use super::split::{reject_share, split_subjects, test_share, validation_share};
use super::values::Values;
use super::{Layout, Options};
use crate::data::{DataError, SourceFile};

const FILE: &str = "dataset.json";

/// The paper's shares of slices that test.
const PROSTATE_TEST: f64 = 100.0 / 475.0;
const PANCREAS_TEST: f64 = 1692.0 / 8552.0;

/// What `dataset.json` says, as far as it matters here.
#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, alias = "license")]
    licence: String,
    modality: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    training: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    image: PathBuf,
    label: PathBuf,
}

/// The whole prostate in T2 and ADC.
pub(super) fn prostate(root: &Path, options: &Options) -> Result<Plan, DataError> {
    reject_share("test", options.test)?;
    let place = find(root, Published::Prostate)?.remove(0);
    let set = Set::read(&place)?;
    set.must_have(&["T2", "ADC"])?;
    let mut plan = set.plan(
        &[Values::AsStored, Values::AsStored],
        PROSTATE_TEST,
        "scans by chance, as many of all as the paper tests slices of all (100 of 475)",
        options,
    )?;
    plan.name = Layout::Prostate.name().to_owned();
    plan.description = "The whole prostate in axial slices of MR scans, T2 and ADC".to_owned();
    plan.class = "prostate".to_owned();
    Ok(plan)
}

/// Parenchyma and mass of the pancreas.
pub(super) fn pancreas(root: &Path, options: &Options) -> Result<Plan, DataError> {
    reject_share("test", options.test)?;
    let place = find(root, Published::Pancreas)?.remove(0);
    let set = Set::read(&place)?;
    set.must_have(&["CT"])?;
    let mut plan = set.plan(
        &[Values::Hounsfield],
        PANCREAS_TEST,
        "scans by chance, as many of all as the paper tests slices of all (1692 of 8552)",
        options,
    )?;
    plan.name = Layout::Pancreas.name().to_owned();
    plan.description = "Parenchyma and mass of the pancreas in axial CT slices".to_owned();
    plan.class = "pancreas and mass".to_owned();
    Ok(plan)
}

/// Any task: `root` holds `dataset.json`.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    let path = needed(root.join(FILE), || {
        "it lists the images of a Medical Segmentation Decathlon task".to_owned()
    })?;
    let set = Set::read(&path)?;
    let values: Vec<Values> = set
        .channels
        .iter()
        .map(|name| match name.as_str() {
            "CT" => Values::Hounsfield,
            _ => Values::OwnRange,
        })
        .collect();
    let share = test_share(options);
    set.plan(
        &values,
        share,
        &format!("a share of {share} of the scans, by chance"),
        options,
    )
}

/// A task's folder with what its `dataset.json` says.
struct Set {
    path: PathBuf,
    dir: PathBuf,
    about: Description,
    /// The modalities in the order of their numbers.
    channels: Vec<String>,
}

impl Set {
    fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read(path).map_err(DataError::io("read", path))?;
        let about: Description = serde_json::from_slice(&text).map_err(|error| DataError::Toml {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let channels = numbered(path, "modality", &about.modality)?;
        Ok(Self {
            dir: path.parent().unwrap_or(Path::new(".")).to_owned(),
            path: path.to_owned(),
            about,
            channels,
        })
    }

    fn must_have(&self, channels: &[&str]) -> Result<(), DataError> {
        if self.channels == channels {
            return Ok(());
        }
        Err(DataError::Field {
            path: self.path.clone(),
            field: "modality".to_owned(),
            was: self.channels.join(", "),
            want: channels.join(", "),
        })
    }

    /// Splits the training scans (those of `imagesTs` have no masks) into three splits.
    fn plan(
        &self,
        values: &[Values],
        test_share: f64,
        test_words: &str,
        options: &Options,
    ) -> Result<Plan, DataError> {
        let mut cases = self
            .about
            .training
            .iter()
            .map(|pair| self.case(pair, values))
            .collect::<Result<Vec<_>, _>>()?;
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        let splits = split_subjects(&self.dir, cases, test_share, options)?;
        let share = validation_share(options);
        let ways: Vec<String> = self
            .channels
            .iter()
            .zip(values)
            .map(|(name, way)| format!("{name}: {}", way.words()))
            .collect();
        let about = &self.about;
        Ok(Plan {
            name: about.name.to_lowercase(),
            description: about.description.clone(),
            plane: Some(Plane::Axial),
            channels: self.channels.clone(),
            values: ways.join(", "),
            source: format!(
                "Medical Segmentation Decathlon, {}; terms: {}",
                about.name,
                terms(&about.licence)
            ),
            files: vec![SourceFile::read(&self.path)?],
            class: class(&about.labels),
            object: Object::new(options, None),
            train: Part {
                cases: splits.train,
                words: "scans that neither test nor validate".to_owned(),
            },
            validation: Part {
                cases: splits.validation,
                words: format!("a share of {share} of the scans that do not test, by chance"),
            },
            test: Part {
                cases: splits.test,
                words: test_words.to_owned(),
            },
        })
    }

    fn case(&self, pair: &Pair, values: &[Values]) -> Result<Case, DataError> {
        let image = needed(self.inside(&pair.image)?, || {
            format!("{} lists it", self.path.display())
        })?;
        let mask = needed(self.inside(&pair.label)?, || {
            format!("it is the mask of {}", image.display())
        })?;
        let file = image.file_name().unwrap_or_default().to_string_lossy();
        let name = file.trim_end_matches(".gz").trim_end_matches(".nii").to_owned();
        Ok(Case {
            name,
            images: vec![image],
            mask,
            values: values.to_vec(),
            place: Place::Stack,
        })
    }

    /// A listed path below the task's folder; one that leads out of it is refused.
    fn inside(&self, listed: &Path) -> Result<PathBuf, DataError> {
        let within = |part: Component<'_>| matches!(part, Component::CurDir | Component::Normal(_));
        if listed.components().all(within) {
            return Ok(self.dir.join(listed.strip_prefix(".").unwrap_or(listed)));
        }
        Err(DataError::Field {
            path: self.path.clone(),
            field: "a path in training".to_owned(),
            was: listed.display().to_string(),
            want: "a path below the folder of dataset.json".to_owned(),
        })
    }
}

/// Names by number, as in `{"0": "T2", "1": "ADC"}`, in the order of their numbers, which must run on from 0.
pub(super) fn numbered(
    path: &Path,
    field: &str,
    names: &BTreeMap<String, String>,
) -> Result<Vec<String>, DataError> {
    let listed: Vec<String> = (0..names.len())
        .map_while(|number| names.get(&number.to_string()).cloned())
        .collect();
    if listed.len() == names.len() && !listed.is_empty() {
        return Ok(listed);
    }
    Err(DataError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        was: format!("{:?}", names.keys().collect::<Vec<_>>()),
        want: "a table of names under the numbers \"0\", \"1\" and so on".to_owned(),
    })
}

/// The names of all labels but background.
fn class(labels: &BTreeMap<String, String>) -> String {
    let names: Vec<&str> = labels
        .iter()
        .filter(|(number, _)| *number != "0")
        .map(|(_, name)| name.as_str())
        .collect();
    if names.is_empty() {
        "object".to_owned()
    } else {
        names.join(" and ")
    }
}
