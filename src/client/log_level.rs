//! Reads and changes the level of a server's log, at its admin address.

use std::time::Duration;

use http::{StatusCode, header};
use http_body_util::Full;

use super::access::{Access, AccessError};
use super::url::ServerUrl;
use crate::config::{self, LogLevel};
use crate::security::{Endpoint, SecurityError};

/// How long a server is given to answer.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of its answer.
const LARGEST: usize = 64 * 1024;

/// Why the level is not known.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// A file of the section `client` that cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Authorities that cannot be used.
    #[error(transparent)]
    Authorities(#[from] SecurityError),
    /// A token would be sent that anyone on the way could read.
    #[error(
        "{url} is not encrypted, and a token would be sent: use its https:// URL (setting tls.admin of the server)"
    )]
    Leak {
        /// The admin address.
        url: ServerUrl,
    },
    /// There is no answer.
    #[error("no answer from {url}, which should be a server's admin address: {message}")]
    Unreachable {
        /// The admin address.
        url: ServerUrl,
        /// Why.
        message: String,
    },
    /// The server does not do it.
    #[error("{url} answers {status}: {message}")]
    Refused {
        /// The admin address.
        url: ServerUrl,
        /// HTTP's status.
        status: StatusCode,
        /// What it says.
        message: String,
    },
}

/// The level that a server's log has, after it was set where `to` says so.
///
/// # Errors
/// What the server refuses, or a server that does not answer.
pub async fn log_level(
    url: &ServerUrl,
    settings: &config::Client,
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
        .send(request, ADMIN_TIMEOUT, LARGEST)
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
