//! Errors of data sets.

use std::path::{Path, PathBuf};

use sagate_core::atomic::WriteError;
use sagate_core::imaging::ImagingError;

/// Everything that reading, making or corrupting a data set can fail with. Each message names the file and what is
/// wrong with it, and says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A picture could not be read.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system refused something.
    #[error("{path}: cannot {action}: {source}", path = .path.display())]
    Io {
        /// The operation, as in "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A PNG could not be encoded.
    #[error("{path}: cannot encode the PNG: {source}", path = .path.display())]
    Png {
        /// The file to be written.
        path: PathBuf,
        /// The encoder's error.
        source: image::ImageError,
    },
    /// A description file cannot be parsed.
    #[error("{path}: {message}", path = .path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The parser's message, which names line and field.
        message: String,
    },
    /// A field of a file has an invalid value.
    #[error("{path}: {field} is {was}; it must be {want}", path = .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// The value found.
        was: String,
        /// The expected value.
        want: String,
    },
    /// A folder was expected.
    #[error("{path}: is not a folder; give a folder of images", path = .path.display())]
    NotAFolder {
        /// The given value.
        path: PathBuf,
    },
    /// The folder holds no image.
    #[error("{path}: holds no image; put .png, .jpg, .npy, .nii, .nii.gz, .hdr (with its .img) or .safetensors files there", path = .path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Two images of a folder differ in the extension only, so that a mask could belong to either.
    #[error("{path}: another image has the name '{name}' too; rename one of them", path = .path.display())]
    SameName {
        /// The second file.
        path: PathBuf,
        /// The name without extension.
        name: String,
    },
    /// An image has no mask although masks are kept beside the images.
    #[error("{image}: has no mask; {masks} should hold one of the same name (say {name}.png), or no masks folder be there", image = .image.display(), masks = .masks.display())]
    MissingMask {
        /// The image.
        image: PathBuf,
        /// The folder of masks.
        masks: PathBuf,
        /// The image's name without extension.
        name: String,
    },
    /// A mask belongs to no image.
    #[error("{mask}: belongs to no image; there is no image named '{name}' beside it", mask = .mask.display())]
    OrphanMask {
        /// The mask.
        mask: PathBuf,
        /// Its name without extension.
        name: String,
    },
    /// A mask is not of its image's size.
    #[error("{mask}: is {was_h} x {was_w} pixels (height x width), but its image is {want_h} x {want_w}; a mask must have its image's size", mask = .mask.display())]
    MaskSize {
        /// The mask.
        mask: PathBuf,
        /// Its height.
        was_h: usize,
        /// Its width.
        was_w: usize,
        /// The image's height.
        want_h: usize,
        /// The image's width.
        want_w: usize,
    },
    /// A mask holds a label that names no class.
    #[error("{mask}: holds label {label}, but the task has {classes} object class(es); labels must be 0 (background) to {classes}", mask = .mask.display())]
    Label {
        /// The mask.
        mask: PathBuf,
        /// The label found.
        label: u8,
        /// The number of object classes.
        classes: usize,
    },
    /// The file holds a volume instead of a 2D image.
    #[error("{path}: holds a volume of {slices} slices; a data set is made of 2D images, so save its slices as single images", path = .path.display())]
    Volume {
        /// The file.
        path: PathBuf,
        /// Slices along its last axis.
        slices: usize,
    },
    /// Something would be overwritten.
    #[error("{path}: is there already and differs from what would be written; give --force to replace it, or another --out", path = .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A source volume is missing.
    #[error("{path}: is not there. {advice}", path = .path.display())]
    NoTemplate {
        /// The missing file.
        path: PathBuf,
        /// What to do.
        advice: String,
    },
    /// Volumes that must have the same grid do not.
    #[error("{path}: its grid is {was:?} voxels, but {other} has {want:?}; both must lie on one grid", path = .path.display(), other = .other.display())]
    Grid {
        /// The volume.
        path: PathBuf,
        /// Its size.
        was: [usize; 3],
        /// The volume it must match.
        other: PathBuf,
        /// That one's size.
        want: [usize; 3],
    },
    /// A split of a task has no slice.
    #[error(
        "task {task}, {split}: no slice shows at least {minimum} pixels of the object; the volumes are not those expected"
    )]
    NoSlices {
        /// The task's name.
        task: &'static str,
        /// The split's name.
        split: &'static str,
        /// The least number of object pixels.
        minimum: usize,
    },
    /// A parameter of the phantoms is out of range.
    #[error("{field} is {was}; it must be {want}")]
    Plan {
        /// The field.
        field: &'static str,
        /// Its value.
        was: String,
        /// The expected value.
        want: String,
    },
    /// A published data set was not found.
    #[error("{root}: does not hold {set}: looked there and in its folders for {missing}. Get it from {source_of}. Terms: {terms}", root = .root.display())]
    NoDataSet {
        /// The searched folder.
        root: PathBuf,
        /// The data set's name.
        set: &'static str,
        /// The missing parts.
        missing: String,
        /// Where to get it.
        source_of: &'static str,
        /// Its terms.
        terms: &'static str,
    },
    /// Part of a data set is missing.
    #[error("{path}: is not there; {why}", path = .path.display())]
    Incomplete {
        /// The file or folder.
        path: PathBuf,
        /// Its purpose.
        why: String,
    },
    /// A setting of an import is invalid.
    #[error("--{flag} is {was}; it must be {want}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// The given value.
        was: String,
        /// The expected value.
        want: &'static str,
    },
    /// There are too few subjects for the splits.
    #[error("{path}: has {subjects} subject(s), too few to take {share} of them for {split} and leave one", path = .path.display())]
    TooFew {
        /// The data set's folder.
        path: PathBuf,
        /// Their number.
        subjects: usize,
        /// The requested share.
        share: f64,
        /// The split.
        split: &'static str,
    },
    /// A split of an imported data set kept no slice.
    #[error("{path}: no slice for {split} shows the object (labels: {object}); check --object, or give --empty keep", path = .path.display())]
    NoObject {
        /// The data set's folder.
        path: PathBuf,
        /// The split.
        split: &'static str,
        /// The labels that make the object, in words.
        object: String,
    },
    /// A severity outside 1 to 3.
    #[error("the severity is '{was}'; it must be 1 (mild), 2 (moderate) or 3 (severe)")]
    Severity {
        /// The given value.
        was: String,
    },
    /// Thick slices of an image that has no neighbours.
    #[error(
        "image '{name}': corruption thick-slices averages neighbouring slices, but the stack has none within {reach} of position {position}; give a folder with consecutive slices"
    )]
    NoNeighbours {
        /// The image.
        name: String,
        /// Its position.
        position: usize,
        /// Largest distance of a neighbour.
        reach: usize,
    },
    /// Neighbouring slices of a stack differ in size.
    #[error(
        "image '{name}': is {was:?} (channels, height, width), but its neighbour '{neighbour}' is {want:?}; corruption thick-slices needs slices of one size"
    )]
    StackSize {
        /// The image.
        name: String,
        /// Its size.
        was: [usize; 3],
        /// The neighbour.
        neighbour: String,
        /// The neighbour's size.
        want: [usize; 3],
    },
    /// There is no image of another species.
    #[error(
        "image '{name}': corruption other-species needs images of another species; give a folder of them (--other, or the task's other/)"
    )]
    NoOther {
        /// The image.
        name: String,
    },
    /// An image cannot be corrupted.
    #[error("image '{name}': {what}")]
    Image {
        /// The image.
        name: String,
        /// The error and the expected value.
        what: String,
    },
}

impl DataError {
    /// Names the file and what was tried in a file-system error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
