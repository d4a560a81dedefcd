//! The plan of an import, from a reader to the writer: the files of each split and their description.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sagate_core::imaging::Plane;

use super::Object;
use super::values::Values;
use crate::data::{DataError, SourceFile};

/// Relation of a case's slices to each other and to the previous case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Neighbouring slices of one volume, unrelated to the previous case.
    Stack,
    /// Unrelated slices.
    Apart,
    /// One slice, the given number of positions after the first of the previous case.
    Follows(usize),
}

/// The files of one subject, or one picture.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Prefix of its slices' names.
    pub name: String,
    /// The image files, whose channels follow each other.
    pub images: Vec<PathBuf>,
    /// The mask's file.
    pub mask: PathBuf,
    /// Value conversion of each channel.
    pub values: Vec<Values>,
    pub place: Place,
}

/// One split.
pub(super) struct Part {
    pub cases: Vec<Case>,
    /// Description of its cases.
    pub words: String,
}

/// A task to be written.
pub(super) struct Plan {
    pub name: String,
    pub description: String,
    /// Of the slices; none where the images are pictures.
    pub plane: Option<Plane>,
    pub channels: Vec<String>,
    /// Description of the stored values.
    pub values: String,
    /// Where the images came from, with the terms.
    pub source: String,
    /// Small files that the split depends on.
    pub files: Vec<SourceFile>,
    pub class: String,
    pub object: Object,
    pub train: Part,
    pub validation: Part,
    pub test: Part,
}

/// The terms that a description file gives, as people read them.
pub(super) fn terms(licence: &str) -> &str {
    match licence.trim() {
        "" => "not stated in its dataset.json",
        stated => stated,
    }
}

/// The path itself where it is a file, else an error that says what it is needed for.
pub(super) fn needed(path: PathBuf, why: impl FnOnce() -> String) -> Result<PathBuf, DataError> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(DataError::Incomplete { path, why: why() })
    }
}

/// The files of a folder whose names end in `ending`, by what comes before, sorted; hidden files are left out.
pub(super) fn files_ending(dir: &Path, ending: &str) -> Result<BTreeMap<String, PathBuf>, DataError> {
    if !dir.is_dir() {
        return Err(DataError::NotAFolder { path: dir.to_owned() });
    }
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(DataError::io("list the folder", dir))? {
        let path = entry.map_err(DataError::io("list the folder", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let stem = name.and_then(|name| name.strip_suffix(ending));
        if let Some(stem) = stem.filter(|stem| !stem.is_empty() && !stem.starts_with('.'))
            && path.is_file()
        {
            files.insert(stem.to_owned(), path.clone());
        }
    }
    Ok(files)
}

/// The names of the folders in a folder, sorted; hidden ones are left out.
pub(super) fn folders(dir: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(DataError::io("list the folder", dir))? {
        let path = entry.map_err(DataError::io("list the folder", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| !name.starts_with('.'))
            && path.is_dir()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
