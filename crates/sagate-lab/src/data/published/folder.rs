//! Plain folders of images and masks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Options;
use super::case::channels;
use super::object::Object;
use super::plan::{Case, Part, Place, Plan};
use super::split::{reject_share, split_subjects, test_share, validate, validation_share};
use super::values::Values;
use crate::data::DataError;
use crate::data::example::{by_name, position};

/// Pictures that share the name before their number, as the slices of one scan do.
struct Group {
    /// Number and case of each picture, in the order of the numbers.
    pictures: Vec<(usize, Case)>,
}

/// `root/images` and `root/masks` are split by chance; with `root/train` and `root/test` the folders are the splits, and
/// `root/validation` is one where it is there.
pub(super) fn plan(root: &Path, options: &Options) -> Result<Plan, DataError> {
    if !root.is_dir() {
        return Err(DataError::NotAFolder {
            path: root.to_owned(),
        });
    }
    let [train, validation, test] = ["train", "validation", "test"].map(|name| root.join(name));
    let parted = train.is_dir();
    let channels = channels(&first(if parted { &train } else { root })?)?;
    let groups = |dir: &Path| groups(dir, channels);
    let share = validation_share(options);
    let by_chance = |of: &str| format!("a share of {share} of the {of}, by chance");
    let [train, validation, test] = if parted {
        reject_share("test", options.test)?;
        let tested = part(groups(&test)?, "the folder test");
        if validation.is_dir() {
            reject_share("validation", options.validation)?;
            let validated = part(groups(&validation)?, "the folder validation");
            [part(groups(&train)?, "the folder train"), validated, tested]
        } else {
            let (rest, drawn) = validate(root, groups(&train)?, options)?;
            let words = by_chance("subjects of the folder train");
            [
                part(rest, "the rest of the folder train"),
                part(drawn, &words),
                tested,
            ]
        }
    } else {
        let share = test_share(options);
        let splits = split_subjects(root, groups(root)?, share, options)?;
        let words = format!("a share of {share} of the subjects, by chance");
        [
            part(splits.train, "subjects that neither validate nor test"),
            part(splits.validation, &by_chance("subjects that do not test")),
            part(splits.test, &words),
        ]
    };
    let name = root.canonicalize().map_err(DataError::io("find", root))?;
    let name = name
        .file_name()
        .map_or_else(|| "folder".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Plan {
        description: format!("The object in the images of the folder {name}"),
        source: format!(
            "the folder {name}; its terms are its owner's; a subject is the part of a name before its last hyphen and \
             number, or, where all names share that part, each picture"
        ),
        name,
        plane: None,
        channels: match channels {
            1 => vec!["grey".to_owned()],
            3 => ["red", "green", "blue"].map(str::to_owned).to_vec(),
            count => (1..=count).map(|channel| format!("channel {channel}")).collect(),
        },
        values: Values::Whole.words(),
        files: Vec::new(),
        class: "object".to_owned(),
        object: Object::new(options, None),
        train,
        validation,
        test,
    })
}

/// The first image of a folder by name.
fn first(dir: &Path) -> Result<PathBuf, DataError> {
    let images = dir.join("images");
    by_name(&images)?
        .pop_first()
        .map(|(_, path)| path)
        .ok_or(DataError::EmptyFolder { path: images })
}

/// The pictures of `dir/images` with their masks in `dir/masks`, by subject. Where all pictures belong to one subject by
/// name, each stands for itself.
fn groups(dir: &Path, channels: usize) -> Result<Vec<Group>, DataError> {
    let (images, masks) = (dir.join("images"), dir.join("masks"));
    let mut truths = by_name(&masks)?;
    let mut subjects: BTreeMap<String, Vec<(usize, Case)>> = BTreeMap::new();
    for (name, image) in by_name(&images)? {
        let mask = truths.remove(&name).ok_or_else(|| DataError::MissingMask {
            image: image.clone(),
            masks: masks.clone(),
            name: name.clone(),
        })?;
        let (subject, number) = match (position(&name), name.rsplit_once('-')) {
            (Some(number), Some((subject, _))) => (subject.to_owned(), number),
            _ => (name.clone(), 0),
        };
        let case = Case {
            name,
            images: vec![image],
            mask,
            values: vec![Values::Whole; channels],
            place: Place::Stack,
        };
        subjects.entry(subject).or_default().push((number, case));
    }
    if let Some((name, mask)) = truths.pop_first() {
        return Err(DataError::OrphanMask { mask, name });
    }
    if subjects.is_empty() {
        return Err(DataError::EmptyFolder { path: images });
    }
    let alone = subjects.len() == 1;
    let mut groups = Vec::new();
    for mut pictures in subjects.into_values() {
        pictures.sort_by_key(|(number, _)| *number);
        if alone {
            groups.extend(pictures.into_iter().map(|picture| Group {
                pictures: vec![picture],
            }));
        } else {
            groups.push(Group { pictures });
        }
    }
    Ok(groups)
}

/// A split of these subjects, whose pictures keep their distances.
fn part(groups: Vec<Group>, words: &str) -> Part {
    let mut cases = Vec::new();
    for Group { pictures } in groups {
        let mut before = None;
        for (number, mut case) in pictures {
            if let Some(before) = before {
                case.place = Place::Follows(number - before);
            }
            before = Some(number);
            cases.push(case);
        }
    }
    Part {
        cases,
        words: words.to_owned(),
    }
}
