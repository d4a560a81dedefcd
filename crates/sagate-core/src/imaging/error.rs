//! Errors of imaging. Messages say what to do.

use std::io;

use crate::atomic::WriteError;

/// Why a picture could not be read, prepared or written. Each message names the file (or the caller's name for the
/// bytes), the field, what it was and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// The file could not be opened or read.
    #[error("{file}: cannot be read: {source}; check that it exists and that you may read it")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The path is a folder, not a file.
    #[error("{file}: is a folder; name one image file in it")]
    Folder {
        /// The folder.
        file: String,
    },
    /// Neither the first bytes nor the extension are of a supported format.
    #[error(
        "{file}: format is unknown ({found}); it should be NIfTI (.nii, .nii.gz, .hdr with .img), PNG, JPEG, \
         NumPy .npy or safetensors"
    )]
    UnknownFormat {
        /// The file.
        file: String,
        /// What the file is, or what it begins with.
        found: String,
    },
    /// The bytes end before the picture does.
    #[error("{file}: {field} is cut short: {found}; {right}")]
    Truncated {
        /// The file.
        file: String,
        /// The part that is incomplete.
        field: &'static str,
        /// What is there.
        found: String,
        /// The expected content.
        right: String,
    },
    /// The picture is larger, or would unpack to more, than the limits allow.
    #[error("{file}: {field} is {was}, above the limit of {limit}; use a smaller picture or raise the limit")]
    TooLarge {
        /// The file.
        file: String,
        /// The quantity that is too large.
        field: &'static str,
        /// How large it is.
        was: String,
        /// The limit.
        limit: String,
    },
    /// A field has a value that cannot be used.
    #[error("{file}: {field} is {was}; it should be {right}")]
    Field {
        /// The file.
        file: String,
        /// The field, in the words of the file's format.
        field: String,
        /// Its value.
        was: String,
        /// The allowed values.
        right: String,
    },
    /// The bytes do not follow their format.
    #[error("{file}: {format} data is damaged: {reason}; write the file again from its source")]
    Damaged {
        /// The file.
        file: String,
        /// The format that the bytes claim.
        format: &'static str,
        /// What the decoder found.
        reason: String,
    },
    /// Some values are NaN or infinite.
    #[error(
        "{file}: values: {count} of {total} are NaN or infinite (the first at [{first}]); every value should be a \
         finite number"
    )]
    NotFinite {
        /// The file.
        file: String,
        /// Number of such values.
        count: usize,
        /// Number of values in all.
        total: usize,
        /// The index of the first, axes as in the array that was read.
        first: String,
    },
    /// A mask is not aligned with its image.
    #[error(
        "{file}: by its header (sform, qform) it lies up to {millimetres:.3} mm from its image {image}; it should lie \
         within {allowed:.3} mm, a tenth of a voxel: resample it onto the image's grid"
    )]
    Misplaced {
        /// The mask's file.
        file: String,
        /// The image's file.
        image: String,
        /// Largest distance between corresponding corners.
        millimetres: f64,
        /// The limit.
        allowed: f64,
    },
    /// A preprocessing step cannot be applied.
    #[error("preprocessing step `{step}`: {field} is {was}; it should be {right}")]
    Step {
        /// The step's name in the manifest.
        step: &'static str,
        /// The parameter, or the property of the image that does not fit it.
        field: String,
        /// Its value.
        was: String,
        /// The allowed values.
        right: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ImagingError {
    /// An [`ImagingError::Field`] from displayable values.
    pub(crate) fn field(
        file: &str,
        field: impl Into<String>,
        was: impl ToString,
        right: impl Into<String>,
    ) -> Self {
        Self::Field {
            file: file.to_owned(),
            field: field.into(),
            was: was.to_string(),
            right: right.into(),
        }
    }

    /// An [`ImagingError::Step`] from displayable values.
    pub(crate) fn step(
        step: &'static str,
        field: impl Into<String>,
        was: impl ToString,
        right: impl Into<String>,
    ) -> Self {
        Self::Step {
            step,
            field: field.into(),
            was: was.to_string(),
            right: right.into(),
        }
    }

    /// An [`ImagingError::Damaged`] with a decoder's message.
    pub(crate) fn damaged(file: &str, format: &'static str, reason: impl ToString) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            format,
            reason: reason.to_string(),
        }
    }
}
