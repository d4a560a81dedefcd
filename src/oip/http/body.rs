//! Reads a request's body, bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Code;

use crate::grpc::error::ServiceError;
use crate::grpc::transport::receive::{Charge, MessageParts};

/// How long the rest of a refused body is read and dropped: many clients read the response only after sending everything.
const REST: Duration = Duration::from_secs(1);

/// Number of JSON bytes of the body, if the headers set it.
///
/// # Errors
/// Not a number, or a compressed body.
pub(crate) fn json_length(headers: &HeaderMap) -> Result<Option<usize>, ServiceError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(ServiceError::Wire {
            code: Code::InvalidArgument,
            reason: "CONTENT_ENCODING",
            message: "content-encoding: the body is compressed; over HTTP it must not be (over gRPC it may be gzip, deflate or zstd)".into(),
        });
    }
    let Some(value) = headers.get(super::JSON_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || ServiceError::field(super::JSON_LENGTH, format!("{value:?}"), "a number of bytes");
    Ok(Some(length.ok_or_else(wrong)?))
}

/// The whole body, at most `most` bytes. They are charged to the receive budget as they arrive.
///
/// # Errors
/// It is longer, too slow or truncated, or the receive budget is exhausted.
pub(crate) async fn whole(body: Body, most: usize, charge: &mut Charge) -> Result<Bytes, ServiceError> {
    let (timeout, late) = (charge.timeout(), charge.too_slow());
    let read = tokio::time::timeout(timeout, read(body, most, charge));
    read.await.unwrap_or(Err(late))
}

async fn read(body: Body, most: usize, charge: &mut Charge) -> Result<Bytes, ServiceError> {
    let wrong = |code, reason, message| ServiceError::Wire {
        code,
        reason,
        message,
    };
    let mut body = Limited::new(body, most);
    let mut parts = MessageParts::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let message = format!(
                    "the body has more than {most} bytes, the most that it may have (setting server.max_message_bytes)"
                );
                wrong(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", message)
            } else {
                let message = "the body is truncated".into();
                wrong(Code::InvalidArgument, "MALFORMED_MESSAGE", message)
            }
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if let Err(error) = charge.add(data.len()) {
            drop((parts, data));
            charge.release();
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = tokio::time::timeout(REST, rest).await;
            return Err(error);
        }
        parts.push(data);
    }
    Ok(parts.join())
}
