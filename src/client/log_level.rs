//! Reads and sets the log level of a server at its admin address.

use std::time::Duration;

use http::{StatusCode, header};
use http_body_util::Full;

use super::access::{Access, AccessError};
use super::url::ServerUrl;
use crate::config::{self, LogLevel};
use crate::security::{Endpoint, SecurityError};

/// Time limit of a request.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of an answer.
const MAX_BYTES: usize = 64 * 1024;

/// Error of reading or setting the log level.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// A file of the section `client` that cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Authorities that cannot be used.
    #[error(transparent)]
    Authorities(#[from] SecurityError),
    /// A token would be sent unencrypted.
    #[error(
        "{url} is not encrypted, and a token would be sent: use its https:// URL (setting tls.admin of the server)"
    )]
    Leak {
        /// The admin address.
        url: ServerUrl,
    },
    /// No answer.
    #[error("no answer from {url}, which should be a server's admin address: {message}")]
    Unreachable {
        /// The admin address.
        url: ServerUrl,
        /// Reason.
        message: String,
    },
    /// The server refuses.
    #[error("{url} answers {status}: {message}")]
    Refused {
        /// The admin address.
        url: ServerUrl,
        /// HTTP status.
        status: StatusCode,
        /// Message of the server.
        message: String,
    },
}

/// Sets the log level of a server to `to` if given, and returns the current level.
///
/// # Errors
/// A refusal by the server, or a server that does not answer.
pub async fn log_level(
    url: &ServerUrl,
    settings: &config::ClientSettings,
    to: Option<LogLevel>,
) -> Result<String, LogLevelError> {
    let access = Access::open(settings)?;
    if access.would_leak(url) {
        return Err(LogLevelError::Leak { url: url.clone() });
    }
    let unreachable = |message: String| LogLevelError::Unreachable {
        url: url.clone(),
        message,
    };
    let endpoint = Endpoint::new(url.uri().clone(), "client.ca", &settings.ca)?;
    let method = if to.is_some() { "PUT" } else { "GET" };
    let mut request = endpoint.request(method, Some("/loglevel"));
    if let Some(authorization) = access.authorization() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = to.map_or("", LogLevel::name);
    let request = request.body(Full::from(body));
    let request = request.map_err(|error| unreachable(error.to_string()))?;
    let answer = endpoint
        .send(request, ADMIN_TIMEOUT, MAX_BYTES)
        .await
        .map_err(unreachable)?;
    let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
    match answer.status {
        StatusCode::OK => Ok(text),
        status => Err(LogLevelError::Refused {
            url: url.clone(),
            status,
            message: text,
        }),
    }
}
