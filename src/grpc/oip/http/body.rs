//! A request's body off the wire: whole, bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Code;

use crate::grpc::error::ServiceError;

/// How long a body may take.
const BODY: Duration = Duration::from_secs(120);

/// How many bytes of the body are JSON, where the headers say so.
///
/// # Errors
/// It is no number, or the body is packed.
pub(super) fn json_length(headers: &HeaderMap) -> Result<Option<usize>, ServiceError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(ServiceError::Wire {
            code: Code::InvalidArgument,
            reason: "CONTENT_ENCODING",
            message: "content-encoding: the body is packed; over HTTP it should come as it is (over gRPC it may be gzip or zstd)".into(),
        });
    }
    let Some(value) = headers.get(super::JSON_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || ServiceError::field(super::JSON_LENGTH, format!("{value:?}"), "a number of bytes");
    Ok(Some(length.ok_or_else(wrong)?))
}

/// The whole body, at most so many bytes of it, in time.
///
/// # Errors
/// It is longer, it comes too slowly, or it breaks off.
pub(super) async fn whole(body: Body, most: usize) -> Result<Bytes, ServiceError> {
    let wrong = |code, reason, message| ServiceError::Wire {
        code,
        reason,
        message,
    };
    let late = |_| {
        let message = format!("the body did not come within {} seconds", BODY.as_secs());
        wrong(Code::DeadlineExceeded, "BODY_TOO_SLOW", message)
    };
    let read = tokio::time::timeout(BODY, Limited::new(body, most).collect());
    match read.await.map_err(late)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!(
                "the body has more than {most} bytes, the most that it may have (setting server.max_message_bytes)"
            );
            Err(wrong(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", message))
        }
        Err(_) => {
            let message = "the body breaks off before its end".into();
            Err(wrong(Code::InvalidArgument, "MALFORMED_MESSAGE", message))
        }
    }
}
