//! Why what the settings name cannot be trusted, or used.

use std::path::PathBuf;

/// A file of the settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// It cannot be read or written.
    #[error("{setting}: {}: {source}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It does not hold what it should.
    #[error("{setting}: {}: {message}", path.display())]
    Content {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it holds, and what it should.
        message: String,
    },
    /// A setting whose value cannot be used.
    #[error("{setting}: {message}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it is, and what would be right.
        message: String,
    },
    /// The system gave no thread.
    #[error("cannot start the thread that writes the {name}: {source}")]
    Thread {
        /// The log.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}
