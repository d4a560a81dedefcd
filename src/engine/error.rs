//! Why the engine did not answer.

use std::fmt;

use sagate_core::executor::ExecutorError;
use sagate_core::model::ModelError;

/// Why the engine did not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model could not be loaded, or not segment the image.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
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
        bound: LimitScope,
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
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> EngineError {
        ExecutorError::from(error).into()
    }
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitScope {
    /// The model's.
    Model,
    /// The client's.
    Client,
    /// That of all.
    All,
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitScope::Model => "the model's queue",
            LimitScope::Client => "this client's part of the queues",
            LimitScope::All => "the server",
        })
    }
}
