//! Why a model could not be loaded or an image not be segmented.

use protoseg::ProtosegError;

use crate::imaging::ImagingError;
use crate::model::ModelError;
use crate::nn::checkpoint::CheckpointError;
use crate::nn::inference::InferenceError;

/// Why a model could not be loaded or an image not be segmented.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The model's folder is not what it should be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The weights do not fit the architecture.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The image cannot be brought into the form that the model takes.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// The image has another number of channels than the model takes.
    #[error("the image has {found} channels; model {model} takes {} ({})", expected.len(), expected.join(", "))]
    Channels {
        /// Channels of the image.
        found: usize,
        /// `NAME@VERSION`.
        model: String,
        /// The channels that the model takes, in their order.
        expected: Vec<String>,
    },
    /// The calibration's score is of another network.
    #[error(
        "the score in the calibration of {model} is of {found} units; the layers that give mu have {expected}: calibrate the model anew \
         (sagate calibrate)"
    )]
    ScoreUnits {
        /// `NAME@VERSION`.
        model: String,
        /// Units of the score.
        found: usize,
        /// Units of the manifest's mu layers.
        expected: usize,
    },
    /// A batch without an image.
    #[error("a batch of no image: at least one would do")]
    NoImage,
    /// Images of different sizes in one batch.
    #[error("a batch of images of {first:?} and {other:?} pixels: one size a batch would do")]
    MixedSizes {
        /// Height and width of the first image.
        first: [usize; 2],
        /// Height and width of one that differs.
        other: [usize; 2],
    },
    /// libtorch could not get the memory that a batch takes.
    #[error(
        "{images} image(s) of {} x {} pixels need more memory than there is: a smaller image, or fewer at once, would do",
        size[0],
        size[1]
    )]
    OutOfMemory {
        /// Images in the batch.
        images: usize,
        /// Their height and width on the prepared grid.
        size: [usize; 2],
    },
    /// The model does not say of its golden image what it should.
    #[error("model {model} fails its self-test: {finding}; it gets no requests")]
    SelfTest {
        /// `NAME@VERSION`.
        model: String,
        /// What differs.
        finding: String,
    },
    /// The network could not run.
    #[error(transparent)]
    Network(#[from] InferenceError),
    /// The scores could not be computed.
    #[error(transparent)]
    Scores(#[from] ProtosegError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl ExecutorError {
    /// The same, as [`ExecutorError::OutOfMemory`] where libtorch says that memory ran out, on the CPU or a GPU. It has no other way to
    /// say so than words.
    pub(super) fn or_memory(self, images: usize, size: [usize; 2]) -> ExecutorError {
        let told = self.to_string();
        if told.contains("can't allocate memory") || told.contains("out of memory") {
            ExecutorError::OutOfMemory { images, size }
        } else {
            self
        }
    }
}
