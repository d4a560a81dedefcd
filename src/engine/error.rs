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
    /// No model of that name or version is loaded.
    #[error("there is no model `{wanted}`; there is {available}")]
    UnknownModel {
        /// Requested model.
        wanted: String,
        /// Loaded models.
        available: String,
    },
    /// The model is loading or being reloaded.
    #[error("model {model} is not ready: try again in a moment")]
    NotReady {
        /// `NAME@VERSION`.
        model: String,
    },
    /// A queue limit is reached.
    #[error(
        "no place for an image of model {model}: {bound} holds {entries} images of at most {limit_entries}, {bytes} bytes of at most \
         {limit_bytes}; try again in {retry_seconds:.2} s"
    )]
    QueueFull {
        /// `NAME@VERSION`.
        model: String,
        /// The limit that is reached.
        bound: LimitScope,
        /// Images that count against it.
        entries: usize,
        /// Bytes that they take.
        bytes: u64,
        /// Most images.
        limit_entries: usize,
        /// Most bytes.
        limit_bytes: u64,
        /// Suggested delay before a retry.
        retry_seconds: f64,
    },
    /// An image that exceeds the queue limit.
    #[error(
        "the image takes {bytes} bytes with its answer; the queue takes at most {limit} (setting engine.queue_bytes)"
    )]
    TooLargeForQueue {
        /// Bytes that it takes.
        bytes: u64,
        /// Most bytes.
        limit: u64,
    },
    /// An image whose activations exceed the memory budget.
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
        /// Memory budget in bytes.
        budget: u64,
    },
    /// An image whose deadline cannot be met.
    #[error(
        "the answer would take {expected_seconds:.2} s, the caller waits {left_seconds:.2} s: give it more time, or try again in \
         {retry_seconds:.2} s"
    )]
    NotInTime {
        /// Estimated seconds until the answer.
        expected_seconds: f64,
        /// Seconds until the deadline.
        left_seconds: f64,
        /// Suggested delay before a retry.
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
    /// The deadline passed.
    #[error("the deadline passed before the answer was there")]
    DeadlineExceeded,
    /// The engine is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// The model's thread panicked on this image.
    #[error("the model failed on this image; its thread is replaced")]
    Panicked,
    /// A thread could not be started.
    #[error("no thread for a model: {0}")]
    Thread(std::io::Error),
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> EngineError {
        ExecutorError::from(error).into()
    }
}

/// Scope of a queue limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitScope {
    /// Of a model.
    Model,
    /// Of a client.
    Client,
    /// Of the server.
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
