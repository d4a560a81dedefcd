//! The codes that calls end with, as labels and spans name them.

use tonic::Code;

/// A status code as gRPC writes it: `RESOURCE_EXHAUSTED`.
pub fn code_name(code: Code) -> &'static str {
    names(code).0
}

/// A status code as gRPC writes it, and as an image's outcome.
pub(super) fn names(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Ok => ("OK", "ok"),
        Code::Cancelled => ("CANCELLED", "cancelled"),
        Code::Unknown => ("UNKNOWN", "unknown"),
        Code::InvalidArgument => ("INVALID_ARGUMENT", "invalid_argument"),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", "deadline_exceeded"),
        Code::NotFound => ("NOT_FOUND", "not_found"),
        Code::AlreadyExists => ("ALREADY_EXISTS", "already_exists"),
        Code::PermissionDenied => ("PERMISSION_DENIED", "permission_denied"),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", "resource_exhausted"),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", "failed_precondition"),
        Code::Aborted => ("ABORTED", "aborted"),
        Code::OutOfRange => ("OUT_OF_RANGE", "out_of_range"),
        Code::Unimplemented => ("UNIMPLEMENTED", "unimplemented"),
        Code::Internal => ("INTERNAL", "internal"),
        Code::Unavailable => ("UNAVAILABLE", "unavailable"),
        Code::DataLoss => ("DATA_LOSS", "data_loss"),
        Code::Unauthenticated => ("UNAUTHENTICATED", "unauthenticated"),
    }
}

/// Whether a code says that the server was at fault, by OpenTelemetry's conventions for gRPC servers.
pub(super) fn is_server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
