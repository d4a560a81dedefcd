//! Mapping of errors to HTTP status codes and bodies.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use tonic::Code;

use super::answer;
use crate::grpc::error::ServiceError;

/// The response of an error: `error` is a message, `reason` a constant like `QUEUE_FULL`.
pub(crate) fn response(error: &ServiceError) -> Response<Body> {
    let failure = error.failure();
    let mut response = answer::json(&json!({ "error": failure.message, "reason": failure.reason }));
    *response.status_mut() = status(error);
    // For the audit log.
    response.extensions_mut().insert(error.code());
    if let Some(seconds) = failure.retry_after_seconds {
        // HTTP counts whole seconds.
        let seconds = HeaderValue::from(seconds.ceil().max(1.0) as u64);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn status(error: &ServiceError) -> StatusCode {
    match (error.code(), error.reason()) {
        (_, "IMAGE_TOO_LARGE" | "MESSAGE_TOO_LARGE") => StatusCode::PAYLOAD_TOO_LARGE,
        (_, "METHOD_NOT_ALLOWED") => StatusCode::METHOD_NOT_ALLOWED,
        (_, "CONTENT_ENCODING") => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (_, "ANSWER_TOO_LARGE") => StatusCode::BAD_REQUEST,
        (Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition, _) => StatusCode::BAD_REQUEST,
        (Code::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Code::PermissionDenied, _) => StatusCode::FORBIDDEN,
        (Code::NotFound, _) => StatusCode::NOT_FOUND,
        (Code::AlreadyExists | Code::Aborted, _) => StatusCode::CONFLICT,
        (Code::ResourceExhausted, _) => StatusCode::TOO_MANY_REQUESTS,
        (Code::Unimplemented, _) => StatusCode::NOT_IMPLEMENTED,
        (Code::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Code::DeadlineExceeded, _) => StatusCode::GATEWAY_TIMEOUT,
        (Code::Ok | Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss, _) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
