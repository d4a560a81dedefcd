//! One model's folder: opening verifies checksums and manifest; weights and calibration are read on demand.

use std::io;
use std::path::{Path, PathBuf};

use super::checksums::{self, Checksums};
use super::error::{Finding, ModelError, Severity};
use super::files;
use super::golden::Golden;
use super::manifest::Manifest;
use crate::gate::{Calibration, UnitScores};
use crate::nn::checkpoint::Weights;

/// A model whose checksums match and whose manifest is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    manifest: Manifest,
    folder: PathBuf,
    hash: String,
}

/// The result of inspecting a folder; `model` where manifest and checksums could be read.
pub(super) struct Inspection {
    pub model: Option<Model>,
    pub findings: Vec<Finding>,
}

impl Model {
    /// Opens a model's folder: verifies every checksum and the manifest.
    ///
    /// # Errors
    /// [`ModelError::Defective`] with everything that is wrong, each with its file and field.
    pub fn open(folder: &Path) -> Result<Model, ModelError> {
        let Inspection { model, mut findings } = inspect(folder);
        findings.retain(|finding| finding.severity == Severity::Error);
        match model {
            Some(model) if findings.is_empty() => Ok(model),
            _ => Err(ModelError::Defective {
                folder: folder.to_path_buf(),
                findings,
            }),
        }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The content hash: the SHA-256 of its `SHA256SUMS`, 64 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The checksums of its files.
    pub(super) fn checksums(&self) -> Result<Checksums, ModelError> {
        let path = self.folder.join(files::CHECKSUMS);
        let text = std::fs::read_to_string(&path).map_err(|source| ModelError::Io {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        checksums::parse(&text, &path).map_err(|findings| ModelError::Defective {
            folder: self.folder.clone(),
            findings,
        })
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// They cannot be read or are not those of the architecture.
    pub fn weights(&self) -> Result<Weights, ModelError> {
        Ok(Weights::read(
            &self.folder.join(files::WEIGHTS),
            &self.manifest.architecture.network(),
        )?)
    }

    /// Reads the calibration; `None` where the model has none.
    ///
    /// # Errors
    /// It cannot be read, is invalid, or belongs to another model.
    pub fn calibration(&self) -> Result<Option<Calibration>, ModelError> {
        let path = self.folder.join(files::CALIBRATION);
        if !path.exists() {
            return Ok(None);
        }
        let calibration = Calibration::read(&path)?;
        let stated = format!("{}@{}", calibration.model, calibration.model_version);
        if stated != self.manifest.reference() {
            let message = format!(
                "it was made for {stated}, but this is {}",
                self.manifest.reference()
            );
            let findings = vec![Finding::error(&path, Some("model"), message)];
            return Err(ModelError::Defective {
                folder: self.folder.clone(),
                findings,
            });
        }
        Ok(Some(calibration))
    }

    /// Reads the units' scores on the calibration images; `None` where the model has none.
    ///
    /// # Errors
    /// The file cannot be read or is invalid.
    pub fn unit_scores(&self) -> Result<Option<UnitScores>, ModelError> {
        let path = self.folder.join(files::UNIT_SCORES);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(UnitScores::read(&path)?))
    }

    /// Reads the golden image; `None` where the model has none.
    ///
    /// # Errors
    /// The file cannot be read or is invalid.
    pub fn golden(&self) -> Result<Option<Golden>, ModelError> {
        let path = self.folder.join(files::GOLDEN);
        path.exists().then(|| Golden::read(&path)).transpose()
    }
}

/// Inspects a folder and collects every error of its checksums and its manifest.
pub(super) fn inspect(folder: &Path) -> Inspection {
    let present = match file_names(folder) {
        Ok(present) => present,
        Err(error) => {
            let message = format!("it cannot be read as a folder: {error}");
            return Inspection {
                model: None,
                findings: vec![Finding::error(folder, None, message)],
            };
        }
    };
    let mut findings = Vec::new();
    for name in [files::MANIFEST, files::WEIGHTS]
        .into_iter()
        .filter(|name| !present.iter().any(|it| it == name))
    {
        findings.push(Finding::error(
            &folder.join(name),
            None,
            "it is missing: every model must have it",
        ));
    }
    let hash = verify_checksums(folder, &present, &mut findings);
    let path = folder.join(files::MANIFEST);
    let manifest = match std::fs::read_to_string(&path) {
        Ok(text) => Manifest::parse(&text, &path)
            .map_err(|mut wrong| findings.append(&mut wrong))
            .ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            findings.push(Finding::error(&path, None, format!("it cannot be read: {error}")));
            None
        }
    };
    let model = manifest.zip(hash).map(|(manifest, hash)| Model {
        manifest,
        folder: folder.to_path_buf(),
        hash,
    });
    Inspection { model, findings }
}

/// Verifies the checksums; returns the content hash where they could be read.
fn verify_checksums(folder: &Path, present: &[String], findings: &mut Vec<Finding>) -> Option<String> {
    let path = folder.join(files::CHECKSUMS);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("it cannot be read ({error}), so the model's files cannot be verified");
            findings.push(Finding::error(&path, None, message));
            return None;
        }
    };
    match checksums::parse(&text, &path) {
        Ok(stated) => {
            let reported = |it: &Finding| findings.iter().any(|finding| finding.file == it.file);
            let mut new = checksums::compare(folder, &stated, present);
            new.retain(|finding| !reported(finding));
            findings.append(&mut new);
        }
        Err(mut wrong) => findings.append(&mut wrong),
    }
    Some(checksums::content_hash(text.as_bytes()))
}

/// The names of a folder's files, sorted; hidden files (unfinished writes) are left out.
pub(super) fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
