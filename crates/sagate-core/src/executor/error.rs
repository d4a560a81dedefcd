//! Why a model could not be loaded or an image not be segmented.

use protoseg::ProtosegError;

use crate::imaging::ImagingError;
use crate::model::ModelError;
use crate::nn::checkpoint::CheckpointError;
use crate::nn::inference::InferenceError;

/// Why a model could not be loaded or an image not be segmented.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The model's folder is invalid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The weights do not fit the architecture.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The image cannot be preprocessed.
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
    /// The calibration's quality score was fitted on another network.
    #[error(
        "the quality score in the calibration of {model} is of {found} units; the layers of mu have {expected}: calibrate the model again \
         (sagate calibrate)"
    )]
    ScoreUnits {
        /// `NAME@VERSION`.
        model: String,
        /// Units of the quality score.
        found: usize,
        /// Units of the manifest's mu layers.
        expected: usize,
    },
    /// A batch without an image.
    #[error("the batch is empty: at least one image is needed")]
    NoImage,
    /// Images of different sizes in one batch.
    #[error("a batch of images of {first:?} and {other:?} pixels: all images of a batch must have one size")]
    MixedSizes {
        /// Height and width of the first image.
        first: [usize; 2],
        /// Height and width of one that differs.
        other: [usize; 2],
    },
    /// libtorch ran out of memory on a batch.
    #[error(
        "{images} image(s) of {} x {} pixels need more memory than there is: use a smaller image, or fewer at once",
        size[0],
        size[1]
    )]
    OutOfMemory {
        /// Images in the batch.
        images: usize,
        /// Their height and width on the prepared grid.
        size: [usize; 2],
    },
    /// The model does not reproduce its golden result.
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
    /// The same, as [`ExecutorError::OutOfMemory`] where libtorch ran out of memory on the CPU or a GPU. libtorch reports that only in
    /// its message.
    pub(super) fn or_memory(self, images: usize, size: [usize; 2]) -> ExecutorError {
        let message = self.to_string();
        if message.contains("can't allocate memory") || message.contains("out of memory") {
            ExecutorError::OutOfMemory { images, size }
        } else {
            self
        }
    }
}
