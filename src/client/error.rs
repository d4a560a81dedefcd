//! Errors of the client.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::url::ServerUrl;

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answers at the URL.
    #[error("no server answers at {url}: {reason} (`sagate serve` starts one, --server URL names another)")]
    Unreachable {
        /// The URL.
        url: ServerUrl,
        /// System error.
        reason: String,
    },
    /// The certificate of the server is not trusted.
    #[error(
        "{url} is not believed: {reason} (--ca, setting client.ca, names a PEM file of the authorities to believe)"
    )]
    Untrusted {
        /// The URL.
        url: ServerUrl,
        /// Problem with its certificate.
        reason: String,
    },
    /// A token would be sent unencrypted to another machine.
    #[error("the token is not sent to {url}: anyone on the way could read it; an https:// URL takes it")]
    Leak {
        /// The URL.
        url: ServerUrl,
    },
    /// The connection broke during a request.
    #[error("the connection to {url} broke: {reason}")]
    Lost {
        /// The URL.
        url: ServerUrl,
        /// System error.
        reason: String,
    },
    /// No answer in time.
    #[error("{url} gave no answer within {} s", after.as_secs_f64())]
    Silent {
        /// The URL.
        url: ServerUrl,
        /// How long was waited.
        after: Duration,
    },
    /// The server answered that it will not.
    #[error(transparent)]
    Refused(#[from] ServerRefusal),
    /// The answer makes no sense.
    #[error("the server's answer makes no sense: {field} {message}")]
    Answer {
        /// Field of the answer, as the protocol names it.
        field: &'static str,
        /// Actual and expected value.
        message: String,
    },
    /// A thread could not be started.
    #[error("cannot start the client: {0}")]
    Start(#[from] std::io::Error),
}

impl ClientError {
    /// From a connection error.
    pub(super) fn from_connect_error(error: &(dyn Error + 'static), url: &ServerUrl) -> ClientError {
        let (url, reason) = (url.clone(), innermost(error));
        let untrusted = chain(error).filter_map(inside).any(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(tokio_rustls::rustls::Error::InvalidCertificate(_))
            )
        });
        match untrusted {
            true => ClientError::Untrusted { url, reason },
            false => ClientError::Unreachable { url, reason },
        }
    }

    /// From the status of a failed call: a lost connection, or a refusal by the server.
    pub(super) fn from_status(status: &Status, url: &ServerUrl) -> ClientError {
        // A status from the server has no local cause.
        if status.source().is_some() {
            return ClientError::Lost {
                url: url.clone(),
                reason: innermost(status),
            };
        }
        ClientError::Refused(ServerRefusal::from_status(status))
    }
}

/// Error status from a server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerRefusal {
    /// The gRPC status code.
    pub code: Code,
    /// Message of the server.
    pub message: String,
    /// Invalid field of the request, like `image.tensor.shape`.
    pub field: Option<String>,
    /// Suggested delay before a retry.
    pub retry_after: Option<Duration>,
}

impl ServerRefusal {
    /// Whether the server refused a value in this field of the request, like `options`.
    pub fn is_about(&self, field: &str) -> bool {
        let invalid = matches!(self.code, Code::InvalidArgument | Code::OutOfRange);
        let within = |it: &String| {
            it.strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        invalid && self.field.as_ref().is_some_and(within)
    }

    fn from_status(status: &Status) -> ServerRefusal {
        let violation = status
            .get_details_bad_request()
            .and_then(|it| it.field_violations.into_iter().next());
        ServerRefusal {
            code: status.code(),
            message: status.message().to_owned(),
            field: violation.map(|it| it.field).filter(|field| !field.is_empty()),
            retry_after: status.get_details_retry_info().and_then(|it| it.retry_delay),
        }
    }
}

impl fmt::Display for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server {}", describe(self.code))?;
        if let Some(field) = self.field.as_ref().filter(|field| !self.message.contains(*field)) {
            write!(f, " ({field})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match self.retry_after {
            Some(wait) => write!(f, "; try again in {} s", wait.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl Error for ServerRefusal {}

/// Description of a status code.
fn describe(code: Code) -> &'static str {
    match code {
        Code::Ok => "says that all is well",
        Code::Cancelled => "cancelled the request",
        Code::InvalidArgument | Code::OutOfRange => "refuses the request",
        Code::DeadlineExceeded => "ran out of time",
        Code::NotFound => "does not have what was asked for",
        Code::PermissionDenied | Code::Unauthenticated => "does not allow the request",
        Code::ResourceExhausted => "has no room for the request",
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => "cannot do it as things are",
        Code::Unimplemented => "does not know the request",
        Code::Unavailable => "is not available",
        Code::Internal | Code::Unknown | Code::DataLoss => "failed",
    }
}

/// The innermost cause, usually the system error.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = chain(error).last();
    last.map_or_else(String::new, ToString::to_string)
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&it| it.source())
}

/// The error inside an I/O error, which `source` does not return; else the error itself.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|it| it as &(dyn Error + 'static)),
        None => Some(error),
    }
}
