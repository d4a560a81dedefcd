//! BraTS 2018, 2019, 2020: whole brain tumours in four MR modalities.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sagate_core::imaging::Plane;

use super::Options;
use super::about::{BRATS19, BRATS20, Published, find, locate};
use super::object::Object;
use super::plan::{Case, Part, Place, Plan, files_ending, folders, needed};
use super::split::{reject_share, validate, validation_share};
use super::values::Values;
use crate::data::{DataError, SourceFile};

/// The modalities in the paper's order: what they are called, and how the files' names end.
const MODALITIES: [(&str, &str); 4] = [("FLAIR", "flair"), ("T1", "t1"), ("T1c", "t1ce"), ("T2", "t2")];

const MAPPING: &str = "name_mapping.csv";

/// The subjects of 18 train and validate, those of 19 and 20 that were not in 18 test.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    reject_share("test", options.test)?;
    let eighteen = graded(&find(root, Published::Brats)?[0])?;
    let mut files = Vec::new();
    let known: BTreeSet<String> = eighteen.iter().map(|subject| identity(&subject.name)).collect();
    let mut test = Vec::new();
    let mut years = Vec::new();
    let mut new = BTreeSet::new();
    if let Some(dir) = locate(root, BRATS19) {
        years.push("2019");
        for subject in graded(&dir)? {
            let identity = identity(&subject.name);
            if !known.contains(&identity) {
                new.insert(identity);
                test.push(subject);
            }
        }
    }
    if let Some(dir) = BRATS20.iter().find_map(|place| locate(root, place)) {
        years.push("2020");
        let path = needed(dir.join(MAPPING), || {
            "it says which subjects of BraTS 2020 were in earlier years".to_owned()
        })?;
        let mapping = Mapping::read(&path)?;
        files.push(SourceFile::read(&path)?);
        for subject in subjects(&dir)? {
            let [in_18, in_19] = mapping.earlier(&subject.name)?;
            let seen = |name: &String| known.contains(&identity(name)) || new.contains(&identity(name));
            if in_18.is_none() && !in_19.as_ref().is_some_and(seen) {
                test.push(subject);
            }
        }
    }
    let train = cases(eighteen)?;
    let test = cases(test)?;
    let (train, validation) = validate(root, train, options)?;
    let share = validation_share(options);
    let years = years.join(" and ");
    Ok(Plan {
        name: "brats".to_owned(),
        description: "The whole tumour in axial slices of MR scans of the brain".to_owned(),
        plane: Some(Plane::Axial),
        channels: MODALITIES.map(|(name, _)| name.to_owned()).to_vec(),
        values: Values::AsStored.words(),
        source: format!(
            "BraTS 2018 and {years}, training data, skull-stripped, 1 mm; terms: {}",
            Published::Brats.about().terms
        ),
        files,
        class: "whole tumour".to_owned(),
        object: Object::new(options, None),
        train: Part {
            cases: train,
            words: "subjects of BraTS 2018 but those that validate".to_owned(),
        },
        validation: Part {
            cases: validation,
            words: format!("a share of {share} of the subjects of BraTS 2018, by chance"),
        },
        test: Part {
            cases: test,
            words: format!("subjects of BraTS {years} that were not in BraTS 2018"),
        },
    })
}

/// A subject's folder.
struct Subject {
    name: String,
    dir: PathBuf,
}

/// The subjects of a year that sorts them into HGG and LGG, by name.
fn graded(dir: &Path) -> Result<Vec<Subject>, DataError> {
    let mut all = Vec::new();
    for folder in ["HGG", "LGG"] {
        let dir = dir.join(folder);
        if !dir.is_dir() {
            return Err(DataError::Incomplete {
                path: dir,
                why: "BraTS keeps its subjects in HGG/ and LGG/".to_owned(),
            });
        }
        all.extend(subjects(&dir)?);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn subjects(dir: &Path) -> Result<Vec<Subject>, DataError> {
    let subject = |name: String| Subject {
        dir: dir.join(&name),
        name,
    };
    Ok(folders(dir)?.into_iter().map(subject).collect())
}

/// The part of a subject's name that is the same in every year: all after the year, as in `CBICA_AAB_1` of `Brats18_CBICA_AAB_1`.
fn identity(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.strip_prefix("brats").and_then(|rest| rest.split_once('_')) {
        Some((year, rest)) if year.bytes().all(|b| b.is_ascii_digit()) => rest.to_owned(),
        _ => lower,
    }
}

fn cases(subjects: Vec<Subject>) -> Result<Vec<Case>, DataError> {
    subjects.into_iter().map(case).collect()
}

fn case(Subject { name, dir }: Subject) -> Result<Case, DataError> {
    let file = |what: &str| {
        let place = |ending: &str| dir.join(format!("{name}_{what}{ending}"));
        [place(".nii"), place(".nii.gz")]
            .into_iter()
            .find(|path| path.is_file())
            .unwrap_or_else(|| place(".nii.gz"))
    };
    let images = MODALITIES
        .iter()
        .map(|(modality, ending)| needed(file(ending), || format!("it is the subject's {modality} image")))
        .collect::<Result<_, _>>()?;
    let mask = match renamed_mask(&dir)? {
        Some(mask) if !file("seg").is_file() => mask,
        _ => needed(file("seg"), || "it is the subject's mask".to_owned())?,
    };
    Ok(Case {
        name,
        images,
        mask,
        values: vec![Values::AsStored; MODALITIES.len()],
        place: Place::Stack,
    })
}

/// The mask under another name: in BraTS 2020 one subject's is `W39_1998.09.19_Segm`.
fn renamed_mask(dir: &Path) -> Result<Option<PathBuf>, DataError> {
    let mut masks = files_ending(dir, "_Segm.nii")?;
    masks.append(&mut files_ending(dir, "_Segm.nii.gz")?);
    Ok(masks.pop_first().map(|(_, mask)| mask))
}

/// `name_mapping.csv` of BraTS 2020: what its subjects were called in earlier years.
struct Mapping {
    path: PathBuf,
    /// Names in 2020, 2018 and 2019; empty where a subject was not in that year.
    rows: Vec<[String; 3]>,
}

impl Mapping {
    fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(DataError::io("read", path))?;
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let header: Vec<&str> = lines
            .next()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .collect();
        let column = |year: u32| {
            let wanted = format!("BraTS_{year}_subject_ID");
            header
                .iter()
                .position(|name| *name == wanted)
                .ok_or_else(|| DataError::Field {
                    path: path.to_owned(),
                    field: "the first line".to_owned(),
                    was: format!("'{}'", header.join(",")),
                    want: format!("a list of columns with {wanted}"),
                })
        };
        let columns = [column(2020)?, column(2018)?, column(2019)?];
        let rows = lines
            .map(|line| {
                let cells: Vec<&str> = line.split(',').map(str::trim).collect();
                columns.map(|column| match cells.get(column) {
                    None | Some(&("NA" | "nan" | "NaN")) => String::new(),
                    Some(name) => (*name).to_owned(),
                })
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            rows,
        })
    }

    /// What a subject of 2020 was called in 2018 and in 2019.
    fn earlier(&self, name: &str) -> Result<[Option<String>; 2], DataError> {
        let row = self.rows.iter().find(|row| row[0] == name);
        let [_, in_18, in_19] = row.ok_or_else(|| DataError::Field {
            path: self.path.clone(),
            field: format!("the row of {name}"),
            was: "missing".to_owned(),
            want: "there: without it nobody knows whether the subject was in BraTS 2018".to_owned(),
        })?;
        Ok([in_18, in_19].map(|name| (!name.is_empty()).then(|| name.clone())))
    }
}
