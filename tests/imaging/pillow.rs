//! JPEG and PNG against Pillow and libjpeg: some 2000 pictures that `tests/support/pillow/cases.py` draws and writes in every way that files come,
//! whole and damaged. What is read is what Pillow reads, value by value; what libjpeg warns of, and every PNG that is not whole, is
//! refused.
//!
//! What would break: a sampling, a scan order, a depth or a palette that is read as another picture; a damaged file whose missing part
//! is filled with what a network takes for tissue.
#![allow(clippy::print_stdout, reason = "says how many cases there were")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sagate_core::imaging::{Format, Limits, Picture, decode};
use serde::Deserialize;

/// One file, as `cases.py` describes it.
#[derive(Deserialize)]
struct Case {
    file: String,
    kind: Kind,
    /// Words of the message with which the reader may refuse the file.
    refused: Option<String>,
    /// Whether libjpeg warns of the damage, or the PNG is not whole.
    warned: bool,
    shape: [usize; 3],
    values: String,
    shift: u32,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Whole,
    Damaged,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cases(folder: &Path) -> Vec<Case> {
    let python = here("target/pillow/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `.ci/pillow` makes it, as `make test` does",
        python.display()
    );
    let made = Command::new(python)
        .arg(here("tests/support/pillow/cases.py"))
        .arg(folder)
        .current_dir(here("."))
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "cases.py: {said}");
    let cases = fs::read(folder.join("cases.json")).expect("cases.py lists its files");
    serde_json::from_slice(&cases).expect("a list of cases")
}

/// What came of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The values that the file holds, or held before it was damaged.
    Read,
    /// A reason.
    Refused,
    /// Other values, of a damaged file in which libjpeg sees nothing wrong: JPEG has no checksum.
    Unseen,
}

/// What came of a case, or what is wrong with that.
fn check(folder: &Path, case: &Case) -> Result<Outcome, String> {
    let bytes = fs::read(folder.join(&case.file)).expect("the file of a case");
    let format = if case.file.ends_with(".png") {
        Format::Png
    } else {
        Format::Jpeg
    };
    let image = match decode(&bytes, format, &case.file, &Limits::default()) {
        Ok(Picture::Image(image)) => image,
        Ok(Picture::Volume(_)) => return Err("is a volume".to_owned()),
        Err(error) => {
            let error = error.to_string();
            return match (&case.refused, case.kind) {
                (Some(words), _) if error.contains(words) => Ok(Outcome::Refused),
                (None, Kind::Damaged) => Ok(Outcome::Refused),
                _ => Err(format!("is refused: {error}")),
            };
        }
    };
    if case.warned {
        return Err("is damaged, and was read".to_owned());
    }
    if case.refused.is_some() {
        return Err("was read; it should be refused".to_owned());
    }
    if image.pixels.shape() != case.shape {
        return Err(format!("has the shape {:?}", image.pixels.shape()));
    }
    let wanted = fs::read(folder.join(&case.values)).expect("the values of a case");
    let (wanted, _) = wanted.as_chunks::<2>();
    let wanted = wanted.iter().map(|&value| u16::from_le_bytes(value));
    let found = image.pixels.iter().map(|&value| value as u16 >> case.shift);
    match found
        .zip(wanted)
        .filter(|(found, wanted)| found != wanted)
        .count()
    {
        0 => Ok(Outcome::Read),
        _ if case.kind == Kind::Damaged => Ok(Outcome::Unseen),
        differing => Err(format!("differs in {differing} of {} values", image.pixels.len())),
    }
}

#[test]
fn jpeg_and_png_are_read_as_pillow_reads_them_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = cases(folder.path());
    let mut failures = Vec::new();
    let mut outcomes = Vec::new();
    for case in &cases {
        match check(folder.path(), case) {
            Ok(outcome) => outcomes.push((case.kind, outcome)),
            Err(wrong) => failures.push(format!("{}: {wrong}", case.file)),
        }
    }
    let count = |kind, outcome| outcomes.iter().filter(|&&it| it == (kind, outcome)).count();
    let read = count(Kind::Whole, Outcome::Read);
    let refused = count(Kind::Damaged, Outcome::Refused);
    println!(
        "whole: {read} as Pillow reads them, {} refused with a reason; damaged: {refused} refused, {} read as before the damage, {} read \
         with other values in which libjpeg sees no damage either",
        count(Kind::Whole, Outcome::Refused),
        count(Kind::Damaged, Outcome::Read),
        count(Kind::Damaged, Outcome::Unseen)
    );
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    assert!(read > 1000 && refused > 1000, "too few cases");
}
