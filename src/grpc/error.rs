//! The mapping of errors to gRPC status codes, with machine-readable details.

use std::time::Duration;

use sagate_core::executor::ExecutorError;
use sagate_core::gate::PolicyError;
use sagate_core::imaging::ImagingError;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::engine::EngineError;
use crate::jitter;
use crate::proto::v1;
use crate::security::Refusal;

/// The domain of the reasons in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "sagate";

/// Longest message in bytes. It goes out in a header, twice and encoded, and clients take 16 KiB of those: a longer one would end the
/// caller's whole connection in place of the call.
const LONGEST_MESSAGE: usize = 1200;
/// Longest path of a field in bytes: it may contain a name chosen by the caller. It is sent in addition to the message.
const LONGEST_FIELD: usize = 200;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A field of the request is wrong.
    #[error("{field}: {message}")]
    Field {
        /// The field's path in the request.
        field: String,
        /// What it was and what would be right.
        message: String,
    },
    /// The image cannot be read.
    #[error("{source}")]
    Image {
        /// The field that held it.
        field: &'static str,
        /// What is wrong with it.
        source: ImagingError,
    },
    /// Gate options that the settings do not allow.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A message could not be received or decoded.
    #[error("{message}")]
    Wire {
        /// What gRPC says of it.
        code: Code,
        /// Why.
        reason: &'static str,
        /// What was wrong and what would be right.
        message: String,
    },
    /// The receive budget is exhausted.
    #[error(
        "requests {whose} that the server is receiving hold {held} of the {limit} bytes that they may take (setting server.receive_bytes)"
    )]
    ReceiveBudget {
        /// Whose budget.
        whose: &'static str,
        /// Bytes that are taken.
        held: u64,
        /// Most that may be.
        limit: u64,
    },
    /// A request was not received in time.
    #[error("the request did not arrive within {seconds} seconds (setting server.receive_timeout_seconds)")]
    ReceiveTimeout {
        /// Seconds that it had.
        seconds: u64,
    },
    /// A call's headers are too large.
    #[error(
        "the call's headers have {bytes} bytes; they may have at most {limit} (setting server.max_header_bytes)"
    )]
    HeadersTooLarge {
        /// Their bytes, as HTTP/2 counts them.
        bytes: usize,
        /// Most that they may have.
        limit: usize,
    },
    /// One image of several cannot be answered.
    #[error("image {index}: {source}")]
    OfImage {
        /// Which one, from 0.
        index: usize,
        /// Why.
        source: Box<ServiceError>,
    },
    /// Authentication, authorization or rate limit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such method.
    #[error("there is no such method here; reflection lists those that there are")]
    NoMethod,
    /// The caller disconnected.
    #[error("the caller went away")]
    Cancelled,
    /// A defect of this program.
    #[error("an internal error; the server's log has more")]
    Internal,
}

/// The machine-readable parts of an error.
struct Row {
    code: Code,
    reason: &'static str,
    field: Option<String>,
    retry: Option<Retry>,
}

/// When a refused caller may retry.
enum Retry {
    /// After a delay of this caller's own.
    After(Duration),
    /// When the load has passed, like all callers refused now: jitter spreads their retries.
    AfterLoad(Duration),
}

/// Largest relative jitter added to a retry delay that many callers get.
pub const RETRY_SPREAD: f64 = 0.25;

impl Retry {
    /// The delay for one caller.
    fn drawn(&self) -> Duration {
        match *self {
            Retry::After(delay) => delay,
            Retry::AfterLoad(delay) => jitter::longer(delay, RETRY_SPREAD, &mut rand::thread_rng()),
        }
    }
}

impl Row {
    fn plain(code: Code, reason: &'static str) -> Row {
        Row {
            code,
            reason,
            field: None,
            retry: None,
        }
    }

    fn of_field(reason: &'static str, field: &str) -> Row {
        Row {
            code: Code::InvalidArgument,
            reason,
            field: Some(shortened(field, LONGEST_FIELD)),
            retry: None,
        }
    }

    fn later(code: Code, reason: &'static str, seconds: f64) -> Row {
        Row {
            code,
            reason,
            field: None,
            retry: Some(Retry::AfterLoad(Duration::from_secs_f64(seconds))),
        }
    }

    fn of_executor(error: &ExecutorError) -> Row {
        match error {
            ExecutorError::Channels { .. } | ExecutorError::Imaging(_) => {
                Row::of_field("INVALID_IMAGE", "image")
            }
            ExecutorError::SelfTest { .. } => Row::plain(Code::FailedPrecondition, "SELF_TEST_FAILED"),
            ExecutorError::Model(_) | ExecutorError::ScoreUnits { .. } => {
                Row::plain(Code::FailedPrecondition, "MODEL_NOT_LOADED")
            }
            ExecutorError::OutOfMemory { .. } => Row::later(Code::ResourceExhausted, "OUT_OF_MEMORY", 1.0),
            ExecutorError::Checkpoint(_)
            | ExecutorError::NoImage
            | ExecutorError::MixedSizes { .. }
            | ExecutorError::Network(_)
            | ExecutorError::Scores(_)
            | ExecutorError::Torch(_) => Row::plain(Code::Internal, "MODEL_FAILED"),
        }
    }
}

impl ServiceError {
    /// A [`ServiceError::Field`] from what the field is and what would be right.
    pub(crate) fn field(
        field: impl Into<String>,
        is: impl std::fmt::Display,
        right: impl std::fmt::Display,
    ) -> Self {
        ServiceError::Field {
            field: field.into(),
            message: format!("it is {is}; it should be {right}"),
        }
    }

    /// The same error for one of several images.
    pub(crate) fn of_image(self, index: usize, images: usize) -> Self {
        match images {
            1 => self,
            _ => ServiceError::OfImage {
                index,
                source: Box::new(self),
            },
        }
    }

    /// The mapping table.
    fn row(&self) -> Row {
        match self {
            ServiceError::Field { field, .. } => Row::of_field("INVALID_FIELD", field),
            ServiceError::Image { field, source } => match source {
                ImagingError::TooLarge { .. } => Row::of_field("IMAGE_TOO_LARGE", field),
                _ => Row::of_field("INVALID_IMAGE", field),
            },
            ServiceError::Policy(PolicyError::OutOfRange { field, .. }) => {
                Row::of_field("GATE_NOT_ALLOWED", &format!("options.{field}"))
            }
            ServiceError::Policy(PolicyError::Both { .. }) => {
                Row::of_field("GATE_NOT_ALLOWED", "options.gate")
            }
            ServiceError::Engine(error) => match error {
                EngineError::Executor(error) => Row::of_executor(error),
                EngineError::UnknownModel { .. } => Row::plain(Code::NotFound, "UNKNOWN_MODEL"),
                EngineError::NotReady { .. } => Row::later(Code::Unavailable, "MODEL_NOT_READY", 1.0),
                EngineError::Stopping => Row::plain(Code::Unavailable, "SHUTTING_DOWN"),
                EngineError::QueueFull { retry_seconds, .. } => {
                    Row::later(Code::ResourceExhausted, "QUEUE_FULL", *retry_seconds)
                }
                EngineError::NotInTime { retry_seconds, .. } => {
                    Row::later(Code::ResourceExhausted, "NOT_IN_TIME", *retry_seconds)
                }
                EngineError::TooLargeForQueue { .. } | EngineError::TooLargeForMemory { .. } => {
                    Row::plain(Code::ResourceExhausted, "IMAGE_TOO_LARGE")
                }
                EngineError::NotLoaded { .. } => Row::plain(Code::FailedPrecondition, "MODEL_NOT_LOADED"),
                EngineError::DeadlineExceeded => Row::plain(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
                EngineError::Panicked | EngineError::Thread(_) => Row::plain(Code::Internal, "MODEL_FAILED"),
            },
            ServiceError::Wire { code, reason, .. } => Row::plain(*code, reason),
            ServiceError::ReceiveBudget { .. } => {
                Row::later(Code::ResourceExhausted, "RECEIVE_BUDGET_SPENT", 1.0)
            }
            ServiceError::ReceiveTimeout { .. } => Row::plain(Code::DeadlineExceeded, "REQUEST_TOO_SLOW"),
            ServiceError::HeadersTooLarge { .. } => Row::plain(Code::ResourceExhausted, "HEADERS_TOO_LARGE"),
            ServiceError::OfImage { source, .. } => source.row(),
            ServiceError::Refused(refusal) => Row {
                code: match refusal {
                    Refusal::Unauthenticated(_) => Code::Unauthenticated,
                    Refusal::Forbidden { .. } => Code::PermissionDenied,
                    Refusal::TooOften { .. } => Code::ResourceExhausted,
                },
                reason: refusal.reason(),
                field: None,
                retry: match refusal {
                    Refusal::TooOften { wait } => Some(Retry::After(*wait)),
                    Refusal::Unauthenticated(_) | Refusal::Forbidden { .. } => None,
                },
            },
            ServiceError::NoMethod => Row::plain(Code::Unimplemented, "UNKNOWN_METHOD"),
            ServiceError::Cancelled => Row::plain(Code::Cancelled, "CANCELLED"),
            ServiceError::Internal => Row::plain(Code::Internal, "INTERNAL"),
        }
    }

    /// gRPC's code for it.
    pub fn code(&self) -> Code {
        self.row().code
    }

    /// A constant for it, as `google.rpc.ErrorInfo` has it. Holds nothing of the request.
    pub fn reason(&self) -> &'static str {
        self.row().reason
    }

    /// The message for the caller; libtorch's own message stays in the log.
    fn message(&self) -> String {
        match self {
            ServiceError::Engine(error) if self.code() == Code::Internal => match error {
                EngineError::Panicked => error.to_string(),
                _ => "the model failed on this image; the server's log has more".into(),
            },
            ServiceError::OfImage { index, source } => format!("image {index}: {}", source.message()),
            _ => shortened(&self.to_string(), LONGEST_MESSAGE),
        }
    }

    /// The status that a call ends with.
    pub fn status(&self) -> Status {
        let row = self.row();
        let message = self.message();
        let mut details = ErrorDetails::new();
        details.set_error_info(row.reason, DOMAIN, []);
        if let Some(field) = row.field {
            details.add_bad_request_violation(field, message.clone());
        }
        let mut metadata = MetadataMap::new();
        if let Some(retry) = row.retry.map(|retry| retry.drawn()) {
            details.set_retry_info(Some(retry));
            // The same delay for gRPC's retry policy (gRFC A6), and in whole seconds for proxies (RFC 9110, 10.2.3). Below a second proxies
            // get none: they had better try another server at once.
            let number = |number: f64| MetadataValue::<Ascii>::from(number.ceil() as u64);
            metadata.insert("grpc-retry-pushback-ms", number(retry.as_secs_f64() * 1e3));
            if retry >= Duration::from_secs(1) {
                metadata.insert("retry-after", number(retry.as_secs_f64()));
            }
        }
        Status::with_error_details_and_metadata(row.code, message, details, metadata)
    }

    /// The same for one image of a stream.
    pub fn failure(&self) -> v1::Failure {
        let row = self.row();
        v1::Failure {
            code: row.code as u32,
            message: self.message(),
            reason: row.reason.into(),
            field: row.field.unwrap_or_default(),
            retry_after_seconds: row.retry.map(|retry| retry.drawn().as_secs_f64()),
        }
    }
}

/// Shortens a long message in the middle: the fault is at its beginning, the remedy at its end.
fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let half = longest / 2;
    let begin = &text[..text.floor_char_boundary(half)];
    let end = &text[text.ceil_char_boundary(text.len() - half)..];
    format!("{begin} [...] {end}")
}
