//! The time that a caller gives, from the header `grpc-timeout`.

use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;

use super::error::ServiceError;
use crate::engine::EngineError;

/// Timers count milliseconds, and round up.
const TICK: Duration = Duration::from_millis(2);

/// The moment at which the caller stops waiting; `None`: it waits for ever.
///
/// # Errors
/// A header that is not one to eight digits and a unit (gRPC over HTTP/2, "Requests").
pub(super) fn deadline(metadata: &MetadataMap) -> Result<Option<Instant>, ServiceError> {
    let Some(value) = metadata.get("grpc-timeout") else {
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
