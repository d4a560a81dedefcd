//! The time that a caller gives, from the header `grpc-timeout`. It runs from the call's first byte, so a message that does not come
//! is waited for no longer than that.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tonic::body::Body;
use tower::Service;

use super::error::ServiceError;
use crate::engine::EngineError;

/// Timers count milliseconds, and round up.
const TICK: Duration = Duration::from_millis(2);

/// When a call ends, as its headers said when it began.
#[derive(Clone, Copy)]
struct Until(Instant);

/// The moment at which the caller stops waiting; `None`: it waits for ever.
///
/// # Errors
/// A header that is not one to eight digits and a unit (gRPC over HTTP/2, "Requests").
pub(super) fn deadline<T>(request: &tonic::Request<T>) -> Result<Option<Instant>, ServiceError> {
    match request.extensions().get() {
        Some(Until(moment)) => Ok(Some(*moment)),
        None => from_now(request.metadata().as_ref()),
    }
}

fn from_now(headers: &HeaderMap) -> Result<Option<Instant>, ServiceError> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let timeout = parse(text).ok_or_else(|| {
        let right = "one to eight digits and a unit of H, M, S, m, u or n, like 500m";
        ServiceError::field("grpc-timeout", format!("`{text}`"), right)
    })?;
    // tonic's own timer would end the call as CANCELLED, which says something else: ours is earlier by a tick of the clock.
    let timeout = timeout.saturating_sub(TICK.min(timeout / 2));
    Ok(Instant::now().checked_add(timeout))
}

/// Ends calls in time that no handler has seen yet, because their message is still on its way.
#[derive(Clone)]
pub(super) struct InTime<S>(pub S);

impl<S> Service<http::Request<Body>> for InTime<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // What is no time at all is for the handler to refuse.
        let Ok(Some(moment)) = from_now(request.headers()) else {
            return Box::pin(self.0.call(request));
        };
        request.extensions_mut().insert(Until(moment));
        let work = self.0.call(request);
        Box::pin(async move {
            // A handler that ends by itself at this very moment is heard first.
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

/// Ends work at the moment at which its caller stops waiting.
///
/// # Errors
/// [`EngineError::DeadlineExceeded`] then.
pub(super) async fn in_time<T>(
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
