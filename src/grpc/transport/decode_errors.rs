//! What tonic says when a message cannot be taken off the wire, in words that help.

use tonic::body::Body;
use tonic::{Code, Status};

use crate::grpc::error::ServiceError;

/// The status in place of tonic's own, where that is about the message: too large, not what the protocol says, cut short.
pub(crate) fn explain(status: &Status, max_message_bytes: usize) -> Option<ServiceError> {
    if let Some(error) = receiving(status) {
        return Some(error);
    }
    let told = status.message();
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
        Code::OutOfRange if told.starts_with("Error, decoded message length too large") => {
            let found = told
                .split(|it: char| !it.is_ascii_digit())
                .find(|it| !it.is_empty());
            let found = found.unwrap_or("more");
            Some(too_large(format!(
                "the message has {found} bytes; it may have at most {limit}"
            )))
        }
        Code::ResourceExhausted if told.starts_with("Error decompressing") => {
            Some(too_large(format!("the message unpacks to more than {limit}")))
        }
        Code::Internal if told.starts_with("Error decompressing") => Some(malformed(
            "the message cannot be unpacked: it is not in the encoding that grpc-encoding names",
        )),
        Code::Internal if told.contains("decode Protobuf message") => Some(malformed(
            "the message does not follow the protocol: it is no message of the type that this call takes",
        )),
        Code::Internal if told.starts_with("Unexpected EOF") => Some(malformed(
            "the message ends before the length that it names: the request was cut short",
        )),
        Code::Internal
            if told.starts_with("protocol error") || told.starts_with("Missing request message") =>
        {
            Some(malformed(told))
        }
        _ => None,
    }
}

/// What went wrong with receiving, where a status is of that: somewhere among its sources, as what hands a body on wraps its errors.
fn receiving(status: &Status) -> Option<ServiceError> {
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

/// Puts the explained status into an answer that tonic gave before a handler saw the request.
pub(crate) fn explain_answer(answer: http::Response<Body>, max_message_bytes: usize) -> http::Response<Body> {
    let explained = Status::from_header_map(answer.headers())
        .filter(|status| status.code() != Code::Ok)
        .and_then(|status| explain(&status, max_message_bytes));
    match explained {
        Some(error) => error.status().into_http(),
        None => answer,
    }
}

/// Packs answers only for callers that packed their request: many clients say that they could unpack without wishing for it, and
/// packing costs more than a local network saves.
pub(crate) fn pack_as_asked<B>(mut request: http::Request<B>) -> http::Request<B> {
    let headers = request.headers_mut();
    let packed = headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding != "identity");
    if !packed {
        headers.remove("grpc-accept-encoding");
    }
    request
}
