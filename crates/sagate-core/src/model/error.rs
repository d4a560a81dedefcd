//! Errors of a model. Messages name file and field.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The model works, but not as well as it could.
    Warning,
    /// The model cannot be used.
    Error,
}

/// One thing that is wrong with a model's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The file it is about.
    pub file: PathBuf,
    /// The field within the file, where it is about one.
    pub field: Option<String>,
    /// The error and the expected value.
    pub message: String,
}

impl Finding {
    /// A finding that makes the model unusable.
    pub(super) fn error(file: &Path, field: Option<&str>, message: impl Into<String>) -> Finding {
        let field = field.map(str::to_string);
        Finding {
            severity: Severity::Error,
            file: file.to_path_buf(),
            field,
            message: message.into(),
        }
    }

    /// A finding that leaves the model usable.
    pub(super) fn warning(file: &Path, message: impl Into<String>) -> Finding {
        let file = file.to_path_buf();
        Finding {
            severity: Severity::Warning,
            file,
            field: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(field) = &self.field {
            write!(f, ", field `{field}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a model could not be found, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A reference that is not `NAME` or `NAME@VERSION`.
    #[error("`{reference}` names no model: {message}")]
    Reference {
        /// The requested reference.
        reference: String,
        /// The error.
        message: String,
    },
    /// There is no folder of models.
    #[error("there is no folder of models at {}: {source} (set it with --models DIR or the setting models.dir)", dir.display())]
    NoRepository {
        /// The expected path.
        dir: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A folder that held models lists none.
    #[error(
        "the folder of models {} lists no model at all: a mount that is missing looks like this; put the models back, or unload them by \
         calls (models.control = \"explicit\")",
        dir.display()
    )]
    NoModels {
        /// The folder.
        dir: PathBuf,
    },
    /// The repository has no such model.
    #[error("there is no model `{reference}` in {}; there is {available}", dir.display())]
    Unknown {
        /// The requested reference.
        reference: String,
        /// The repository.
        dir: PathBuf,
        /// The available models.
        available: String,
    },
    /// The folder has defects that make it unusable.
    #[error("the model in {} cannot be used: {}", folder.display(), sentences(findings))]
    Defective {
        /// The model's folder.
        folder: PathBuf,
        /// Everything that is wrong; at least one.
        findings: Vec<Finding>,
    },
    /// A file or folder cannot be read or removed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] crate::atomic::WriteError),
    /// The weights are not those of the architecture, or cannot be read or written.
    #[error(transparent)]
    Weights(#[from] crate::nn::checkpoint::CheckpointError),
    /// The calibration is wrong.
    #[error(transparent)]
    Calibration(#[from] crate::gate::CalibrationError),
    /// The unit scores are wrong.
    #[error(transparent)]
    UnitScores(#[from] crate::gate::UnitScoresError),
    /// The golden image cannot be written.
    #[error("the golden image cannot be written as safetensors: {0}")]
    Golden(String),
    /// The manifest does not fit into TOML.
    #[error("the manifest cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
}

fn sentences(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(Finding::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
