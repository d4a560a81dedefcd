//! How a model's folder comes to be. Each file is written whole or not at all and the sums come last, so that a folder
//! whose writing was cut off is refused and never half believed.

use std::fs;
use std::io;
use std::path::Path;

use super::error::ModelError;
use super::files;
use super::folder::{Model, file_names};
use super::golden::Golden;
use super::manifest::Manifest;
use super::sums::{self, Sums};
use crate::atomic;
use crate::gate::{Calibration, UnitScores};
use crate::nn::checkpoint::Weights;

/// Writes a model: manifest, weights (`half`: large kernels in half precision) and sums. What was there is replaced; an old
/// calibration and an old golden image are removed, since they say nothing of new weights.
///
/// # Errors
/// A manifest that [`Manifest::check`] refuses, or a folder that cannot be written.
pub fn write_model(
    folder: &Path,
    manifest: &Manifest,
    weights: &Weights,
    half: bool,
) -> Result<Model, ModelError> {
    let findings = manifest.check(&folder.join(files::MANIFEST));
    if !findings.is_empty() {
        return Err(ModelError::Defective {
            folder: folder.to_path_buf(),
            findings,
        });
    }
    fs::create_dir_all(folder).map_err(|source| ModelError::Io {
        doing: "make the folder",
        path: folder.to_path_buf(),
        source,
    })?;
    let text = toml::to_string_pretty(manifest)?;
    remove(&folder.join(files::CALIBRATION))?;
    remove(&folder.join(files::UNIT_SCORES))?;
    remove(&folder.join(files::GOLDEN))?;
    weights.write(&folder.join(files::WEIGHTS), half)?;
    atomic::write(&folder.join(files::MANIFEST), text.as_bytes())?;
    refresh_sums(folder)?;
    Model::open(folder)
}

/// Writes a model's calibration, with the units' scores where they are kept, in place of the one it had.
///
/// # Errors
/// A calibration that makes no sense or a folder that cannot be written.
pub fn write_calibration(
    folder: &Path,
    calibration: &Calibration,
    unit_scores: Option<&UnitScores>,
) -> Result<Model, ModelError> {
    let text = calibration.to_json()?;
    let sums = Model::open(folder)?.sums()?;
    match unit_scores {
        Some(scores) => atomic::write(&folder.join(files::UNIT_SCORES), &scores.to_bytes()?)?,
        None => remove(&folder.join(files::UNIT_SCORES))?,
    }
    atomic::write(&folder.join(files::CALIBRATION), text.as_bytes())?;
    sum_anew(folder, sums, &[files::CALIBRATION, files::UNIT_SCORES])
}

/// Writes a model's golden image in place of the one it had.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_golden(folder: &Path, golden: &Golden) -> Result<Model, ModelError> {
    let sums = Model::open(folder)?.sums()?;
    atomic::write(&folder.join(files::GOLDEN), &golden.to_bytes()?)?;
    sum_anew(folder, sums, &[files::GOLDEN])
}

/// Sums these files anew, and no other: writing one vouches for no other.
fn sum_anew(folder: &Path, mut sums: Sums, names: &[&str]) -> Result<Model, ModelError> {
    for name in names {
        let path = folder.join(name);
        if path.exists() {
            sums.insert((*name).to_string(), sum(&path)?);
        } else {
            sums.remove(*name);
        }
    }
    atomic::write(&folder.join(files::SUMS), sums::render(&sums).as_bytes())?;
    Model::open(folder)
}

/// Writes `SHA256SUMS` anew for the files that the folder holds.
///
/// # Errors
/// A file that cannot be read, or sums that cannot be written.
pub fn refresh_sums(folder: &Path) -> Result<(), ModelError> {
    let names = file_names(folder).map_err(|source| unreadable(folder, source))?;
    let mut new = Sums::new();
    for name in names.into_iter().filter(|name| name != files::SUMS) {
        let sum = sum(&folder.join(&name))?;
        new.insert(name, sum);
    }
    Ok(atomic::write(
        &folder.join(files::SUMS),
        sums::render(&new).as_bytes(),
    )?)
}

fn sum(path: &Path) -> Result<String, ModelError> {
    sums::of_file(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> ModelError {
    ModelError::Io {
        doing: "read",
        path: path.to_path_buf(),
        source,
    }
}

fn remove(path: &Path) -> Result<(), ModelError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ModelError::Io {
            doing: "remove",
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}
