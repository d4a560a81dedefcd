//! A segmentation task as a folder: `task.toml`, `train/`, `validation/`, `test/`, and `other/` with another species.

use std::fmt;
use std::path::{Path, PathBuf};

use sagate_core::imaging::Plane;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::example::{folder, position};
use super::{DataError, Example};

/// The version of `task.toml` this program writes and reads.
pub(super) const FORMAT: u32 = 1;

/// A split of a task's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training.
    Train,
    /// For model selection and calibration.
    Validation,
    /// For evaluation only.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name of the split's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its colour in pictures: red, green, blue.
    pub colour: [u8; 3],
}

/// A file the task was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The file's name.
    pub name: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl SourceFile {
    /// Name and checksum of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
        let sha256 = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { name, sha256 })
    }
}

/// Where a task came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name in tables.
    pub description: String,
    /// The command that made it.
    pub command: String,
    /// The files it was made from.
    pub files: Vec<SourceFile>,
}

/// How the splits were made, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// The training split.
    pub train: String,
    /// The validation split.
    pub validation: String,
    /// The test split.
    pub test: String,
    /// The slices that were left out.
    pub left_out: String,
    /// What a slice's position, the number at the end of its name, counts.
    pub position: String,
}

/// `task.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFile {
    /// The version of this file's form: 1.
    pub format: u32,
    /// The task's name.
    pub name: String,
    /// The segmentation task.
    pub description: String,
    /// The plane the slices lie in, where they are slices of a volume.
    pub plane: Option<Plane>,
    /// What each channel shows, as in `["T1"]`.
    pub channels: Vec<String>,
    /// Description of the pixel values.
    pub values: String,
    /// Where the images came from.
    pub source: Source,
    /// How the splits were made.
    pub splits: Splits,
    /// The object classes; label k of a mask is `classes[k - 1]`, 0 is background.
    pub classes: Vec<Class>,
}

/// A task folder that was opened; images are read when a split is asked for.
#[derive(Debug, Clone)]
pub struct Task {
    dir: PathBuf,
    file: TaskFile,
}

impl Task {
    /// Opens a task folder and reads its `task.toml`.
    ///
    /// # Errors
    /// When the folder or the file is missing, when the file does not parse, holds unknown fields or another format's
    /// number, names no class or channel, or when the folder of a split is missing.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        if !dir.is_dir() {
            return Err(DataError::NotAFolder { path: dir.to_owned() });
        }
        let path = dir.join("task.toml");
        let text = std::fs::read_to_string(&path).map_err(DataError::io("read the task", &path))?;
        let file: TaskFile = toml::from_str(&text).map_err(|error| DataError::Toml {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let field = |field: &str, was: String, want: &str| DataError::Field {
            path: path.clone(),
            field: field.to_owned(),
            was,
            want: want.to_owned(),
        };
        if file.format != FORMAT {
            return Err(field("format", file.format.to_string(), "1"));
        }
        if file.classes.is_empty() || file.classes.len() > 255 {
            return Err(field(
                "classes",
                format!("a list of {}", file.classes.len()),
                "a list of 1 to 255",
            ));
        }
        if file.channels.is_empty() {
            return Err(field(
                "channels",
                "empty".to_owned(),
                "a list of at least one name",
            ));
        }
        for split in Split::ALL {
            let path = dir.join(split.name());
            if !path.is_dir() {
                return Err(DataError::NotAFolder { path });
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            file,
        })
    }

    /// Its `task.toml`.
    pub fn file(&self) -> &TaskFile {
        &self.file
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The object classes; label k of a mask is `classes()[k - 1]`.
    pub fn classes(&self) -> &[Class] {
        &self.file.classes
    }

    /// What each channel shows.
    pub fn channels(&self) -> &[String] {
        &self.file.channels
    }

    /// The task's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the images of a split, each with its truth, in the order of their positions.
    ///
    /// # Errors
    /// As [`folder`]; and when an image has no mask, another number of channels than the task, or no number at the end
    /// of its name, or when a mask holds a label above the number of classes.
    pub fn split(&self, split: Split) -> Result<Vec<Example>, DataError> {
        let dir = self.dir.join(split.name());
        let examples = self.read(&dir)?;
        match examples.iter().find(|example| example.truth.is_none()) {
            None => Ok(examples),
            Some(example) => Err(DataError::MissingMask {
                image: dir.join("images").join(&example.name),
                masks: dir.join("masks"),
                name: example.name.clone(),
            }),
        }
    }

    /// Reads the images of another species, with truth where it is known; none where the task has no `other/`.
    /// Positions match those of the splits: the same place in a head of the same size.
    ///
    /// # Errors
    /// As [`Task::split`], but truth may be missing.
    pub fn other(&self) -> Result<Vec<Example>, DataError> {
        let dir = self.dir.join("other");
        if dir.is_dir() {
            self.read(&dir)
        } else {
            Ok(Vec::new())
        }
    }

    fn read(&self, dir: &Path) -> Result<Vec<Example>, DataError> {
        let mut examples = folder(dir)?;
        for example in &mut examples {
            let image = || dir.join("images").join(&example.name);
            let channels = example.image.pixels.dim().0;
            if channels != self.file.channels.len() {
                return Err(DataError::Field {
                    path: image(),
                    field: "the number of channels".to_owned(),
                    was: channels.to_string(),
                    want: format!("{} as task.toml says", self.file.channels.len()),
                });
            }
            let highest = example.truth.iter().flatten().max().copied().unwrap_or(0);
            if usize::from(highest) > self.file.classes.len() {
                return Err(DataError::Label {
                    mask: dir.join("masks").join(&example.name),
                    label: highest,
                    classes: self.file.classes.len(),
                });
            }
            example.position = position(&example.name).ok_or_else(|| DataError::Field {
                path: image(),
                field: "the name".to_owned(),
                was: format!("'{}'", example.name),
                want: "a name that ends in '-' and the slice's position, as in sagittal-034".to_owned(),
            })?;
        }
        examples.sort_by_key(|example| example.position);
        Ok(examples)
    }
}
