//! Writing a model's folder. Each file is written atomically and the checksums come last, so that a partially written folder is refused.

use std::fs;
use std::io;
use std::path::Path;

use super::checksums::{self, Checksums};
use super::error::ModelError;
use super::files;
use super::folder::{Model, file_names};
use super::golden::Golden;
use super::manifest::Manifest;
use crate::atomic;
use crate::gate::{Calibration, UnitScores};
use crate::nn::checkpoint::Weights;

/// Writes a model: manifest, weights (`half`: large kernels in half precision) and checksums. Replaces an existing model; its calibration
/// and golden image are removed, since they do not apply to the new weights.
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
    refresh_checksums(folder)?;
    Model::open(folder)
}

/// Replaces a model's calibration and, if given, the units' scores.
///
/// # Errors
/// An invalid calibration, or a folder that cannot be written.
pub fn write_calibration(
    folder: &Path,
    calibration: &Calibration,
    unit_scores: Option<&UnitScores>,
) -> Result<Model, ModelError> {
    let text = calibration.to_json()?;
    let checksums = Model::open(folder)?.checksums()?;
    match unit_scores {
        Some(scores) => atomic::write(&folder.join(files::UNIT_SCORES), &scores.to_bytes()?)?,
        None => remove(&folder.join(files::UNIT_SCORES))?,
    }
    atomic::write(&folder.join(files::CALIBRATION), text.as_bytes())?;
    update_checksums(folder, checksums, &[files::CALIBRATION, files::UNIT_SCORES])
}

/// Replaces a model's golden image.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_golden(folder: &Path, golden: &Golden) -> Result<Model, ModelError> {
    let checksums = Model::open(folder)?.checksums()?;
    atomic::write(&folder.join(files::GOLDEN), &golden.to_bytes()?)?;
    update_checksums(folder, checksums, &[files::GOLDEN])
}

/// Updates the checksums of the named files only, so that damage to other files stays detected.
fn update_checksums(folder: &Path, mut checksums: Checksums, names: &[&str]) -> Result<Model, ModelError> {
    for name in names {
        let path = folder.join(name);
        if path.exists() {
            checksums.insert((*name).to_string(), checksum(&path)?);
        } else {
            checksums.remove(*name);
        }
    }
    atomic::write(
        &folder.join(files::CHECKSUMS),
        checksums::render(&checksums).as_bytes(),
    )?;
    Model::open(folder)
}

/// Writes `SHA256SUMS` for all files of the folder.
///
/// # Errors
/// A file that cannot be read, or checksums that cannot be written.
pub fn refresh_checksums(folder: &Path) -> Result<(), ModelError> {
    let names = file_names(folder).map_err(|source| unreadable(folder, source))?;
    let mut new = Checksums::new();
    for name in names.into_iter().filter(|name| name != files::CHECKSUMS) {
        let checksum = checksum(&folder.join(&name))?;
        new.insert(name, checksum);
    }
    Ok(atomic::write(
        &folder.join(files::CHECKSUMS),
        checksums::render(&new).as_bytes(),
    )?)
}

fn checksum(path: &Path) -> Result<String, ModelError> {
    checksums::file_checksum(path).map_err(|source| unreadable(path, source))
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
