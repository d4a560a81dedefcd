//! Asks again where a server says that it makes sense.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::jitter;

/// How often a request is sent at most.
const ATTEMPTS: usize = 6;
/// The longest time that is waited before asking again; a server that wants more is told of at once.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Part of the time that a server hints at by which a client waits longer at most: those who were refused together do not come again
/// together.
pub const RETRY_JITTER: f64 = 0.25;

/// Sends a request, and again after the time that the server hints at while it has no room for it or is not available.
///
/// # Errors
/// What the last attempt gave.
pub(super) async fn with_retry<T, F: Future<Output = Result<T, Status>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Status> {
    let mut attempt = 1;
    loop {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        match hint(&status) {
            Some(wait) if attempt < ATTEMPTS && wait <= LONGEST_WAIT => {
                let wait = retry_delay(wait);
                tracing::debug!("attempt {attempt}: {}; again in {wait:?}", status.message());
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            _ => return Err(status),
        }
    }
}

/// How long a client waits where a server hints at this time: that, and up to [`RETRY_JITTER`] of it more.
pub fn retry_delay(hint: Duration) -> Duration {
    jitter::longer(hint, RETRY_JITTER, &mut rand::thread_rng())
}

/// After what time the server wants to be asked again.
fn hint(status: &Status) -> Option<Duration> {
    let passing = matches!(status.code(), Code::ResourceExhausted | Code::Unavailable);
    let hint = status.get_details_retry_info().filter(|_| passing)?;
    hint.retry_delay
}
