//! Why a model could not be loaded or an image not be segmented.

use crate::imaging::ImagingError;
use crate::model::ModelError;
use crate::nn::checkpoint::CheckpointError;
use crate::nn::inference::InferenceError;
use crate::protoseg::ProtosegError;

use super::place::Bound;

/// Why a model could not be loaded or an image not be segmented.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
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
    /// No model of that name or version answers here.
    #[error("there is no model `{wanted}`; there is {available}")]
    UnknownModel {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// The model is loading, or was lost and is being loaded again.
    #[error("model {model} is not ready: try again in a moment")]
    NotReady {
        /// `NAME@VERSION`.
        model: String,
    },
    /// No place is left in a model's queue.
    #[error(
        "no place for an image of model {model}: {bound} holds {entries} images of at most {limit_entries}, {bytes} bytes of at most \
         {limit_bytes}; try again in {retry_seconds:.2} s"
    )]
    QueueFull {
        /// `NAME@VERSION`.
        model: String,
        /// Which bound was met.
        bound: Bound,
        /// Images in it.
        entries: usize,
        /// Bytes that they take.
        bytes: u64,
        /// Most images.
        limit_entries: usize,
        /// Most bytes.
        limit_bytes: u64,
        /// When it makes sense to come again.
        retry_seconds: f64,
    },
    /// An image that no empty queue could take.
    #[error(
        "the image takes {bytes} bytes with its answer; the queue takes at most {limit} (setting engine.queue_bytes)"
    )]
    TooLargeForQueue {
        /// Bytes that it takes.
        bytes: u64,
        /// Most bytes.
        limit: u64,
    },
    /// An image whose activations never fit.
    #[error(
        "an image of {} x {} pixels takes {bytes} bytes while it runs; the server gives {budget} (setting engine.activation_bytes): a \
         smaller image would do",
        size[0],
        size[1]
    )]
    TooLargeForMemory {
        /// Its height and width on the prepared grid.
        size: [usize; 2],
        /// Bytes that it takes.
        bytes: u64,
        /// Bytes that there are.
        budget: u64,
    },
    /// An image that could not be done before its caller stops waiting.
    #[error(
        "the answer would take {expected_seconds:.2} s, the caller waits {left_seconds:.2} s: give it more time, or try again in \
         {retry_seconds:.2} s"
    )]
    NotInTime {
        /// Seconds until the answer, as measured images say.
        expected_seconds: f64,
        /// Seconds that the caller waits.
        left_seconds: f64,
        /// When it makes sense to come again.
        retry_seconds: f64,
    },
    /// The model does not say of its golden image what it should.
    #[error("model {model} fails its self-test: {finding}; it gets no requests")]
    SelfTest {
        /// `NAME@VERSION`.
        model: String,
        /// What differs.
        finding: String,
    },
    /// The model could not be made ready.
    #[error("model {model} cannot be loaded: {reason}")]
    NotLoaded {
        /// `NAME@VERSION`.
        model: String,
        /// Why.
        reason: String,
    },
    /// The caller's time ran out.
    #[error("the deadline passed before the answer was there")]
    DeadlineExceeded,
    /// The engine takes nothing more.
    #[error("the server is shutting down")]
    Stopping,
    /// The model's thread panicked on this image.
    #[error("the model failed on this image; its thread is replaced")]
    Panicked,
    /// The system has no thread left.
    #[error("no thread for a model: {0}")]
    Thread(std::io::Error),
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

impl EngineError {
    /// The same, as [`EngineError::OutOfMemory`] where libtorch says that memory ran out, on the CPU or a GPU. It has no other way to
    /// say so than words.
    pub(super) fn or_memory(self, images: usize, size: [usize; 2]) -> EngineError {
        let told = self.to_string();
        if told.contains("can't allocate memory") || told.contains("out of memory") {
            EngineError::OutOfMemory { images, size }
        } else {
            self
        }
    }
}
