//! Retries of requests as suggested by the server.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::jitter;

/// Maximum number of attempts.
const MAX_ATTEMPTS: usize = 6;
/// Maximum delay before a retry; the error is returned if the server suggests more.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Maximum jitter as a share of the suggested delay, so that clients refused together do not retry together.
pub const RETRY_JITTER: f64 = 0.25;

/// Sends a request, and retries after the suggested delay while the server is overloaded or unavailable.
///
/// # Errors
/// The error of the last attempt.
pub(super) async fn with_retry<T, F: Future<Output = Result<T, Status>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Status> {
    let mut attempt = 1;
    loop {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        match suggested_delay(&status) {
            Some(wait) if attempt < MAX_ATTEMPTS && wait <= MAX_DELAY => {
                let wait = retry_delay(wait);
                tracing::debug!("attempt {attempt}: {}; again in {wait:?}", status.message());
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            _ => return Err(status),
        }
    }
}

/// Delay before a retry: the suggested delay plus up to [`RETRY_JITTER`] of it.
pub fn retry_delay(hint: Duration) -> Duration {
    jitter::longer(hint, RETRY_JITTER, &mut rand::thread_rng())
}

/// Retry delay suggested by the server.
fn suggested_delay(status: &Status) -> Option<Duration> {
    let is_retryable = matches!(status.code(), Code::ResourceExhausted | Code::Unavailable);
    let hint = status.get_details_retry_info().filter(|_| is_retryable)?;
    hint.retry_delay
}
