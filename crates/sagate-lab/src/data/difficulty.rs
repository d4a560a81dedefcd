//! `difficulty.csv`: the difficulty of each image of a folder.
//!
//! The first line names the columns, `name` and `difficulty` first; what follows them describes the acquisition and is
//! not read back. The file lies beside `images/`, and where it is there, every image has one entry and every entry an image.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sagate_core::atomic;

use super::DataError;

/// The file's name.
const FILE: &str = "difficulty.csv";

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The image's name, without extension and comma.
    pub name: String,
    /// From 0 (easiest) to 1.
    pub difficulty: f32,
    /// The further columns.
    pub more: Vec<f32>,
}

/// Writes the file into a folder; `more` names the further columns.
pub(super) fn write(dir: &Path, more: &[&str], entries: &[Entry]) -> Result<(), DataError> {
    let mut text = String::from("name,difficulty");
    for column in more {
        text.push(',');
        text.push_str(column);
    }
    text.push('\n');
    for entry in entries {
        // Writing to a string cannot fail. The shortest decimals that read back as the same number.
        let _ = write!(text, "{},{}", entry.name, entry.difficulty);
        for value in &entry.more {
            let _ = write!(text, ",{value}");
        }
        text.push('\n');
    }
    Ok(atomic::write(&dir.join(FILE), text.as_bytes())?)
}

/// Reads the difficulties of the images named, in their order; none where the folder has no such file.
pub(super) fn read<'a>(
    dir: &Path,
    names: impl Iterator<Item = &'a str>,
) -> Result<Option<Vec<f32>>, DataError> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(DataError::io("read", &path))?;
    let wrong = |field: String, was: String, want: String| DataError::Field {
        path: path.clone(),
        field,
        was,
        want,
    };
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    if head != "name,difficulty" && !head.starts_with("name,difficulty,") {
        let want = "the columns' names, 'name,difficulty' first".to_owned();
        return Err(wrong("line 1".to_owned(), format!("'{head}'"), want));
    }
    let mut entries = BTreeMap::new();
    for (number, line) in (2..).zip(lines) {
        let mut fields = line.split(',');
        let (name, text) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let difficulty = text
            .parse()
            .ok()
            .filter(|difficulty| (0.0..=1.0).contains(difficulty));
        let Some(difficulty) = difficulty else {
            let field = format!("line {number}, difficulty");
            return Err(wrong(
                field,
                format!("'{text}'"),
                "a number from 0 to 1".to_owned(),
            ));
        };
        if entries.insert(name, difficulty).is_some() {
            let field = format!("line {number}, name");
            let want = "a name that no other line has".to_owned();
            return Err(wrong(field, format!("'{name}' again"), want));
        }
    }
    let mut difficulties = Vec::new();
    for name in names {
        let difficulty = entries.remove(name).ok_or_else(|| {
            let want = "there, as for every image where this file is kept".to_owned();
            wrong(format!("the entry of image '{name}'"), "missing".to_owned(), want)
        })?;
        difficulties.push(difficulty);
    }
    match entries.first_key_value() {
        None => Ok(Some(difficulties)),
        Some((name, _)) => Err(wrong(
            format!("the entry of '{name}'"),
            "of no image".to_owned(),
            "that of an image beside this file".to_owned(),
        )),
    }
}
