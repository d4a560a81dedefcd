//! Deadlines of calls: `grpc-timeout`, or else the server's default, at most the server's maximum. They count from the call's headers,
//! so they also bound the wait for the message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tonic::body::Body;
use tower::Service;

use crate::config::{ConnectionSettings, Role};
use crate::engine::EngineError;
use crate::grpc::error::ServiceError;
use crate::security::{RequiredAccess, required_access};

/// Timers have a resolution of a millisecond and round up.
const TICK: Duration = Duration::from_millis(2);

/// The server's default and maximum deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// Default for one request without a deadline.
    default: Option<Duration>,
    /// Maximum for any call.
    max: Option<Duration>,
}

impl Deadlines {
    pub fn new(settings: &ConnectionSettings) -> Deadlines {
        let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        Deadlines {
            default: seconds(settings.default_deadline_seconds),
            max: seconds(settings.max_deadline_seconds),
        }
    }

    /// Timeout of one request, from the client's own.
    pub fn of_request(self, asked: Option<Duration>) -> Option<Duration> {
        self.at_most(asked.or(self.default))
    }

    fn at_most(self, time: Option<Duration>) -> Option<Duration> {
        [time, self.max].into_iter().flatten().min()
    }

    /// Timeout of a gRPC call. Streams, model loading, health and reflection have no default, only the maximum.
    fn of_call(self, path: &str, asked: Option<Duration>) -> Option<Duration> {
        match required_access(path) {
            None | Some(RequiredAccess::Open) => asked,
            Some(RequiredAccess::RoleForImages(_) | RequiredAccess::Role(Role::Admin)) => self.at_most(asked),
            Some(RequiredAccess::Role(_)) => self.of_request(asked),
        }
    }
}

/// The deadline of a call.
#[derive(Clone, Copy)]
struct Until(Instant);

/// The deadline of the caller; `None`: no deadline.
///
/// # Errors
/// A `grpc-timeout` that is not one to eight digits and a unit (gRPC over HTTP/2, "Requests").
pub(crate) fn deadline<T>(request: &tonic::Request<T>) -> Result<Option<Instant>, ServiceError> {
    match request.extensions().get() {
        Some(Until(moment)) => Ok(Some(*moment)),
        None => Ok(asked(request.metadata().as_ref())?.and_then(|time| Instant::now().checked_add(time))),
    }
}

/// The caller's `grpc-timeout`.
fn asked(headers: &HeaderMap) -> Result<Option<Duration>, ServiceError> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let timeout = parse(text).ok_or_else(|| {
        let right = "one to eight digits and a unit of H, M, S, m, u or n, like 500m";
        ServiceError::field("grpc-timeout", format!("`{text}`"), right)
    })?;
    // tonic's own timer would end the call as CANCELLED, so this one ends a tick earlier.
    Ok(Some(timeout.saturating_sub(TICK.min(timeout / 2))))
}

/// Ends calls at their deadline whose message has not arrived, so no handler has them.
#[derive(Clone)]
pub(crate) struct DeadlineLayer<S> {
    pub inner: S,
    pub deadlines: Deadlines,
}

impl<S> Service<http::Request<Body>> for DeadlineLayer<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The handler refuses an invalid timeout.
        let asked = asked(request.headers());
        let is_time = asked.is_ok();
        let time = self
            .deadlines
            .of_call(request.uri().path(), asked.unwrap_or_default());
        let Some(moment) = time.and_then(|time| Instant::now().checked_add(time)) else {
            return Box::pin(self.inner.call(request));
        };
        if is_time {
            request.extensions_mut().insert(Until(moment));
        }
        let work = self.inner.call(request);
        Box::pin(async move {
            // `timeout_at` polls the work first, so a handler that ends at this moment wins.
            let ended = tokio::time::timeout_at(moment.into(), work).await;
            let late = || {
                ServiceError::from(EngineError::DeadlineExceeded)
                    .status()
                    .into_http()
            };
            ended.unwrap_or_else(|_| Ok(late()))
        })
    }
}

/// Ends work at its deadline.
///
/// # Errors
/// [`EngineError::DeadlineExceeded`] then.
pub(crate) async fn with_deadline<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    match deadline {
        None => work.await,
        Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
            .await
            .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}
