//! Clear errors in place of tonic's when a message cannot be read or decoded.

use tonic::body::Body;
use tonic::{Code, Status};

use crate::grpc::error::ServiceError;

/// The error in place of tonic's status if that is about the message: too large, malformed or truncated.
pub(crate) fn explain(status: &Status, max_message_bytes: usize) -> Option<ServiceError> {
    if let Some(error) = receive_error(status) {
        return Some(error);
    }
    let message = status.message();
    let too_large = |message| ServiceError::Wire {
        code: Code::ResourceExhausted,
        reason: "MESSAGE_TOO_LARGE",
        message,
    };
    let malformed = |message: &str| ServiceError::Wire {
        code: Code::InvalidArgument,
        reason: "MALFORMED_MESSAGE",
        message: message.into(),
    };
    let limit = format!("{max_message_bytes} bytes (setting server.max_message_bytes)");
    match status.code() {
        Code::OutOfRange if message.starts_with("Error, decoded message length too large") => {
            let found = message
                .split(|it: char| !it.is_ascii_digit())
                .find(|it| !it.is_empty());
            let found = found.unwrap_or("more");
            Some(too_large(format!(
                "the message has {found} bytes; it may have at most {limit}"
            )))
        }
        Code::ResourceExhausted if message.starts_with("Error decompressing") => {
            Some(too_large(format!("the message unpacks to more than {limit}")))
        }
        Code::Internal if message.starts_with("Error decompressing") => Some(malformed(
            "the message cannot be unpacked: it is not in the encoding that grpc-encoding names",
        )),
        Code::Internal if message.contains("decode Protobuf message") => Some(malformed(
            "the message does not follow the protocol: it is no message of the type that this call takes",
        )),
        Code::Internal if message.starts_with("Unexpected EOF") => Some(malformed(
            "the message ends before the length that it names: the request was cut short",
        )),
        Code::Internal
            if message.starts_with("protocol error") || message.starts_with("Missing request message") =>
        {
            Some(malformed(message))
        }
        _ => None,
    }
}

/// The receive error of a status, if one is among its sources: layers that pass a body on wrap its errors.
fn receive_error(status: &Status) -> Option<ServiceError> {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        match error.downcast_ref() {
            Some(&ServiceError::ReceiveBudget { whose, held, limit }) => {
                return Some(ServiceError::ReceiveBudget { whose, held, limit });
            }
            Some(&ServiceError::ReceiveTimeout { seconds }) => {
                return Some(ServiceError::ReceiveTimeout { seconds });
            }
            Some(ServiceError::Cancelled) => return Some(ServiceError::Cancelled),
            _ => source = error.source(),
        }
    }
    None
}

/// Replaces the status of a response that tonic gave before a handler saw the request.
pub(crate) fn explain_answer(answer: http::Response<Body>, max_message_bytes: usize) -> http::Response<Body> {
    let explained = Status::from_header_map(answer.headers())
        .filter(|status| status.code() != Code::Ok)
        .and_then(|status| explain(&status, max_message_bytes));
    match explained {
        Some(error) => error.status().into_http(),
        None => answer,
    }
}

/// Compresses responses only for callers that compressed their request: many clients accept compression by default, and on a local
/// network it costs more than it saves.
pub(crate) fn compress_if_compressed<B>(mut request: http::Request<B>) -> http::Request<B> {
    let headers = request.headers_mut();
    let packed = headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding != "identity");
    if !packed {
        headers.remove("grpc-accept-encoding");
    }
    request
}
