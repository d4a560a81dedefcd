//! Errors of security settings and files.

use std::path::PathBuf;

/// A setting or file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// It cannot be read or written.
    #[error("{setting}: {}: {source}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// System error.
        source: std::io::Error,
    },
    /// Invalid content.
    #[error("{setting}: {}: {message}", path.display())]
    Content {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// A setting whose value cannot be used.
    #[error("{setting}: {message}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// A thread could not be started.
    #[error("cannot start the thread that writes the {name}: {source}")]
    Thread {
        /// The log.
        name: &'static str,
        /// System error.
        source: std::io::Error,
    },
}
