//! A folder of models, `NAME/VERSION/`, and how one is named.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::{Finding, ModelError};
use super::folder::Model;
use super::manifest::name_complaint;

/// How a model is asked for: `NAME`, its highest version, or `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The model's name.
    pub name: String,
    /// Its version, at least 1; `None`: the highest there is.
    pub version: Option<u32>,
}

impl FromStr for Reference {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Reference, ModelError> {
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
        Ok(Reference {
            name: name.to_string(),
            version,
        })
    }
}

impl fmt::Display for Reference {
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

    /// Every model, by name and then version, and a warning for every folder that is named as no model can be.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn list(&self) -> Result<(Vec<Located>, Vec<Finding>), ModelError> {
        let (mut models, mut strangers) = (Vec::new(), Vec::new());
        for (name, path) in folders(&self.dir)? {
            if let Some(complaint) = name_complaint(&name) {
                strangers.push(Finding::warning(&path, complaint));
                continue;
            }
            for (version, folder) in folders(&path)? {
                match number(&version) {
                    Some(version) => models.push(Located {
                        name: name.clone(),
                        version,
                        folder,
                    }),
                    None => strangers.push(Finding::warning(
                        &folder,
                        format!("`{version}` is no version: it must be a whole number from 1"),
                    )),
                }
            }
        }
        models.sort();
        Ok((models, strangers))
    }

    /// Finds the model that is asked for.
    ///
    /// # Errors
    /// A reference that names no model, or one that is not there; then the message lists what is.
    pub fn resolve(&self, reference: &str) -> Result<Located, ModelError> {
        let wanted: Reference = reference.parse()?;
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

/// The folders within a folder, hidden ones left out, each with its name.
fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    let fail = |source| ModelError::Io {
        doing: "read the folder",
        path: dir.to_path_buf(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path
            .file_name()
            .map(|it| it.to_string_lossy().into_owned())
            .unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') {
            found.push((name, path));
        }
    }
    Ok(found)
}
