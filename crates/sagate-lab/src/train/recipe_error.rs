//! Errors of a recipe.

use std::path::PathBuf;

use sagate_core::imaging::ImagingError;
use thiserror::Error;

/// An error of a recipe.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key that no recipe has, or a value of another type.
    #[error("{origin}: {reason}")]
    Form {
        /// The file, or where else the recipe came from.
        origin: String,
        /// The line, the key and the expected value.
        reason: String,
    },
    /// An override is not of the form `key=value`.
    #[error("'{text}' is no setting of a recipe; it must be key=value, as in augmentation.rotation=5")]
    Override {
        /// The given value.
        text: String,
    },
    /// A value is out of its range.
    #[error("{origin}: {field} is {value}; it must be {range}")]
    Range {
        /// The file, or where else the recipe came from.
        origin: String,
        /// The field.
        field: String,
        /// The value found.
        value: String,
        /// The expected value.
        range: String,
    },
    /// A preprocessing step has wrong parameters.
    #[error("{origin}: preprocessing step {number}: {source}")]
    Step {
        /// The file, or where else the recipe came from.
        origin: String,
        /// Its number, from 1.
        number: usize,
        /// The error.
        source: ImagingError,
    },
}
