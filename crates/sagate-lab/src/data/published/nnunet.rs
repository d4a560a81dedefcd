//! nnU-Net's raw layout, versions 1 and 2: `imagesTr/CASE_0000.ENDING`, `labelsTr/CASE.ENDING`, `dataset.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sagate_core::imaging::Plane;
use serde::Deserialize;
use serde_json::Value;

use super::Options;
use super::decathlon::numbered;
use super::object::Object;
use super::plan::{Case, Part, Place, Plan, files_ending, needed, terms};
use super::split::{reject_share, split_subjects, test_share, validate, validation_share};
use super::values::Values;
use crate::data::{DataError, SourceFile};

const FILE: &str = "dataset.json";
/// File endings that sagate reads.
const ENDINGS: [&str; 3] = [".nii.gz", ".nii", ".png"];

/// What `dataset.json` says, as far as it matters here.
#[derive(Deserialize)]
struct Description {
    /// nnU-Net calls it `channel_names` since version 2, `modality` before.
    #[serde(alias = "modality")]
    channel_names: BTreeMap<String, String>,
    /// Version 2 has names with numbers (or lists of numbers), version 1 numbers with names.
    labels: BTreeMap<String, Value>,
    #[serde(default = "gzipped")]
    file_ending: String,
    #[serde(default, alias = "license")]
    licence: String,
}

fn gzipped() -> String {
    ENDINGS[0].to_owned()
}

/// `imagesTs` with `labelsTs` test where both are there, else a share of the training cases does.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    let path = needed(root.join(FILE), || {
        "it describes a raw data set of nnU-Net".to_owned()
    })?;
    let text = std::fs::read(&path).map_err(DataError::io("read", &path))?;
    let about: Description = serde_json::from_slice(&text).map_err(|error| DataError::Toml {
        path: path.clone(),
        message: error.to_string(),
    })?;
    if !ENDINGS.contains(&about.file_ending.as_str()) {
        return Err(DataError::Field {
            path,
            field: "file_ending".to_owned(),
            was: about.file_ending,
            want: ENDINGS.join(" or "),
        });
    }
    let channels = numbered(&path, "channel_names", &about.channel_names)?;
    let pictures = about.file_ending == ".png";
    let reader = Reader {
        root,
        ending: &about.file_ending,
        values: channels.iter().map(|name| way(name, pictures)).collect(),
    };
    let training = reader.cases("imagesTr", "labelsTr")?;
    let held_out = root.join("imagesTs").is_dir() && root.join("labelsTs").is_dir();
    let (train, validation, test, test_words) = if held_out {
        reject_share("test", options.test)?;
        let (train, validation) = validate(root, training, options)?;
        let test = reader.cases("imagesTs", "labelsTs")?;
        (train, validation, test, "imagesTs with labelsTs".to_owned())
    } else {
        let share = test_share(options);
        let splits = split_subjects(root, training, share, options)?;
        let words = format!("a share of {share} of the cases of imagesTr, by chance");
        (splits.train, splits.validation, splits.test, words)
    };
    let share = validation_share(options);
    let ways: Vec<String> = channels
        .iter()
        .zip(&reader.values)
        .map(|(name, way)| format!("{name}: {}", way.words()))
        .collect();
    let (class, ignored) = classes(&about.labels);
    let name = root.canonicalize().map_err(DataError::io("find", root))?;
    let name = name
        .file_name()
        .map_or_else(|| "nnunet".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Plan {
        description: format!("{class} in the images of nnU-Net's raw data set {name}"),
        source: format!("nnU-Net raw data set {name}; terms: {}", terms(&about.licence)),
        name: name.to_lowercase(),
        plane: (!pictures).then_some(Plane::Axial),
        channels,
        values: ways.join(", "),
        files: vec![SourceFile::read(&path)?],
        class,
        object: Object::new(options, ignored),
        train: Part {
            cases: train,
            words: "cases of imagesTr that neither validate nor test".to_owned(),
        },
        validation: Part {
            cases: validation,
            words: format!("a share of {share} of the cases of imagesTr that do not test, by chance"),
        },
        test: Part {
            cases: test,
            words: test_words,
        },
    })
}

/// The way of a channel's values: nnU-Net itself treats a channel named CT apart.
fn way(channel: &str, pictures: bool) -> Values {
    match channel {
        "CT" => Values::Hounsfield,
        _ if pictures => Values::Whole,
        _ => Values::OwnRange,
    }
}

struct Reader<'a> {
    root: &'a Path,
    ending: &'a str,
    values: Vec<Values>,
}

impl Reader<'_> {
    /// The cases of a folder of images and its folder of masks, by name.
    fn cases(&self, images: &str, masks: &str) -> Result<Vec<Case>, DataError> {
        let images = self.root.join(images);
        let truths = files_ending(&self.root.join(masks), self.ending)?;
        let files = files_ending(&images, self.ending)?;
        let masked = |file: &str| {
            file.rsplit_once('_')
                .is_some_and(|(case, _)| truths.contains_key(case))
        };
        if let Some((file, path)) = files.iter().find(|(file, _)| !masked(file)) {
            let case = file.rsplit_once('_').map_or(file.as_str(), |(case, _)| case);
            return Err(DataError::Incomplete {
                path: self.root.join(masks).join(format!("{case}{}", self.ending)),
                why: format!("it is the mask of {}", path.display()),
            });
        }
        truths
            .into_iter()
            .map(|(name, mask)| self.case(name, mask, &images))
            .collect()
    }

    /// A PNG in colour holds three channels at once, so a picture's files are those that are there.
    fn case(&self, name: String, mask: PathBuf, images: &Path) -> Result<Case, DataError> {
        let file = |channel: usize| images.join(format!("{name}_{channel:04}{}", self.ending));
        let colour = self.ending == ".png" && self.values.len() == 3 && !file(1).exists();
        let count = if colour { 1 } else { self.values.len() };
        let images = (0..count)
            .map(|channel| {
                needed(file(channel), || {
                    format!("it is channel {channel} of case {name}")
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Case {
            name,
            images,
            mask,
            values: self.values.clone(),
            place: Place::Stack,
        })
    }
}

/// The names of all labels but background and `ignore`, and the number of `ignore`.
fn classes(labels: &BTreeMap<String, Value>) -> (String, Option<u16>) {
    let mut names = Vec::new();
    let mut ignored = None;
    for (key, value) in labels {
        let (name, number) = match value {
            Value::String(name) => (name.as_str(), key.parse().ok()),
            other => (key.as_str(), other.as_u64()),
        };
        if name == "ignore" {
            ignored = number.and_then(|number| u16::try_from(number).ok());
        } else if number != Some(0) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push("object");
    }
    (names.join(" and "), ignored)
}
