//! The model repository: a folder of models `NAME/VERSION/`, and references to them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::{Finding, ModelError};
use super::folder::Model;
use super::manifest::name_complaint;

/// A reference to a model: `NAME` (its highest version) or `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReference {
    /// The model's name.
    pub name: String,
    /// Its version, at least 1; `None`: the highest there is.
    pub version: Option<u32>,
}

impl FromStr for ModelReference {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<ModelReference, ModelError> {
        let refuse = |message| ModelError::Reference {
            reference: text.to_string(),
            message,
        };
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if let Some(complaint) = name_complaint(name) {
            return Err(refuse(complaint));
        }
        let version = match version {
            None => None,
            Some(version) => Some(number(version).ok_or_else(|| {
                refuse(format!(
                    "its version `{version}` is no whole number from 1; write {name}@1, say"
                ))
            })?),
        };
        Ok(ModelReference {
            name: name.to_string(),
            version,
        })
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// A version as a folder or a reference writes it: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    text.parse()
        .ok()
        .filter(|version: &u32| *version >= 1 && version.to_string() == text)
}

/// A model that was found, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its folder.
    pub folder: PathBuf,
}

impl Located {
    /// Opens it, and checks that the manifest says the same name and version as the folder.
    ///
    /// # Errors
    /// [`ModelError::Defective`] with everything that is wrong.
    pub fn open(&self) -> Result<Model, ModelError> {
        let model = Model::open(&self.folder)?;
        match self.misnamed(&model) {
            Some(finding) => Err(ModelError::Defective {
                folder: self.folder.clone(),
                findings: vec![finding],
            }),
            None => Ok(model),
        }
    }

    pub(super) fn misnamed(&self, model: &Model) -> Option<Finding> {
        let (stated, found) = (
            model.manifest().reference(),
            format!("{}@{}", self.name, self.version),
        );
        let file = self.folder.join(super::files::MANIFEST);
        let message =
            format!("the manifest says {stated}, but the folder is that of {found}: make them agree");
        (stated != found).then(|| Finding::error(&file, Some("name, version"), message))
    }
}

/// The result of scanning a repository.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every version that has a folder, by name and then version.
    pub models: Vec<Located>,
    /// A warning for every folder whose name is not a valid model name or version.
    pub strangers: Vec<Finding>,
    /// Folders that exist but cannot be read, so that their models are unknown.
    pub unreadable: Vec<Unreadable>,
}

impl Scan {
    /// Adds the versions of a model.
    fn add_model(&mut self, name: &str, path: &Path) {
        let versions = is_folder(path).and_then(|is| if is { entries(path) } else { Ok(Vec::new()) });
        let versions = match versions {
            Ok(versions) => versions,
            Err(error) => return self.add_unreadable(name, None, error),
        };
        for (version, folder) in versions {
            match (number(&version), is_folder(&folder)) {
                (Some(version), Ok(true)) => self.models.push(Located {
                    name: name.to_owned(),
                    version,
                    folder,
                }),
                (Some(version), Err(error)) => self.add_unreadable(name, Some(version), error),
                (None, Ok(true)) => {
                    let complaint = format!("`{version}` is no version: it must be a whole number from 1");
                    self.strangers.push(Finding::warning(&folder, complaint));
                }
                (_, Ok(false)) | (None, Err(_)) => {}
            }
        }
    }

    fn add_unreadable(&mut self, name: &str, version: Option<u32>, error: ModelError) {
        self.unreadable.push(Unreadable {
            name: name.to_owned(),
            version,
            error,
        });
    }
}

/// A folder that exists but cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The model's name.
    pub name: String,
    /// The version; `None`: the folder of all of its versions.
    pub version: Option<u32>,
    /// The operating system's error.
    pub error: ModelError,
}

impl Unreadable {
    /// Whether it is a dangling link.
    fn is_dangling_link(&self) -> bool {
        matches!(&self.error, ModelError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// A folder of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    dir: PathBuf,
}

impl Repository {
    /// Opens the folder.
    ///
    /// # Errors
    /// It is not there, no folder, or cannot be read.
    pub fn open(dir: &Path) -> Result<Repository, ModelError> {
        let opened = std::fs::read_dir(dir);
        opened.map_err(|source| ModelError::NoRepository {
            dir: dir.to_path_buf(),
            source,
        })?;
        Ok(Repository {
            dir: dir.to_path_buf(),
        })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every model, by name and then version, and a warning for every folder whose name is not valid.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn list(&self) -> Result<(Vec<Located>, Vec<Finding>), ModelError> {
        let mut scan = self.scan()?;
        // A dangling link is no error when the repository is only listed.
        scan.unreadable.retain(|it| !it.is_dangling_link());
        match scan.unreadable.pop() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok((scan.models, scan.strangers)),
        }
    }

    /// The same for a folder that is watched: distinguishes folders that cannot be read from folders that do not exist.
    ///
    /// # Errors
    /// The repository's own folder cannot be read.
    pub fn scan(&self) -> Result<Scan, ModelError> {
        let mut scan = Scan::default();
        for (name, path) in entries(&self.dir)? {
            match name_complaint(&name) {
                None => scan.add_model(&name, &path),
                Some(complaint) if path.is_dir() => {
                    scan.strangers.push(Finding::warning(&path, complaint));
                }
                Some(_) => {}
            }
        }
        scan.models.sort();
        Ok(scan)
    }

    /// Finds the model that is asked for.
    ///
    /// # Errors
    /// A reference that names no model, or one that is not there; then the message lists what is.
    pub fn resolve(&self, reference: &str) -> Result<Located, ModelError> {
        let wanted: ModelReference = reference.parse()?;
        let (models, _) = self.list()?;
        let fits = |it: &&Located| {
            it.name == wanted.name && wanted.version.is_none_or(|version| version == it.version)
        };
        // Sorted by version, so the last is the highest.
        models
            .iter()
            .rfind(fits)
            .cloned()
            .ok_or_else(|| ModelError::Unknown {
                reference: reference.to_string(),
                dir: self.dir.clone(),
                available: available(&models),
            })
    }
}

fn available(models: &[Located]) -> String {
    let names: Vec<String> = models
        .iter()
        .map(|it| format!("{}@{}", it.name, it.version))
        .collect();
    if names.is_empty() {
        "none at all".into()
    } else {
        names.join(", ")
    }
}

/// What a folder holds, hidden entries left out, each with its name.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    let fail = |source| unreadable(dir, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path
            .file_name()
            .map(|it| it.to_string_lossy().into_owned())
            .unwrap_or_default();
        if !name.starts_with('.') {
            found.push((name, path));
        }
    }
    Ok(found)
}

/// Whether it is a folder. An entry that was removed meanwhile is none; one whose metadata cannot be read counts as one.
fn is_folder(path: &Path) -> Result<bool, ModelError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            Ok(false)
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Io {
        doing: "read the folder",
        path: path.to_path_buf(),
        source,
    }
}
