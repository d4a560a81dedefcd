//! What can be wrong with a picture, said so that a person knows what to do.

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
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder stands where a file was meant.
    #[error("{file}: is a folder; name one image file in it")]
    Folder {
        /// The folder.
        file: String,
    },
    /// The first bytes are of no format that is read here, and the file's extension says nothing that they do not deny.
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
        /// What should be there.
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
        /// The most that is allowed.
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
        /// The values that would do.
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
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
        /// The index of the first, axes as in the array that was read.
        first: String,
    },
    /// A mask lies elsewhere than its image.
    #[error(
        "{file}: by its header (sform, qform) it lies up to {millimetres:.3} mm from its image {image}; it should lie \
         within {allowed:.3} mm, a tenth of a voxel: resample it onto the image's grid"
    )]
    Misplaced {
        /// The mask's file.
        file: String,
        /// The image's file.
        image: String,
        /// How far the furthest corner lies from where the image has it.
        millimetres: f64,
        /// The most that is allowed.
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
        /// The values that would do.
        right: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ImagingError {
    /// A [`ImagingError::Field`] from anything that can be shown.
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

    /// A [`ImagingError::Step`] from anything that can be shown.
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

    /// A [`ImagingError::Damaged`] with a decoder's own words.
    pub(crate) fn damaged(file: &str, format: &'static str, reason: impl ToString) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            format,
            reason: reason.to_string(),
        }
    }
}
