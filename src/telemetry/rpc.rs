//! The calls of the protocol and the codes they end with, as labels and spans name them.

use tonic::Code;

/// The service that all calls are of.
pub(super) const SERVICE: &str = "sagate.v1.QualityControl";

/// A call of `sagate.v1.QualityControl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rpc {
    /// One image.
    Segment,
    /// Images as they come.
    SegmentStream,
    /// One image with what the network sees in it.
    Interpret,
    /// The models.
    ListModels,
    /// One model.
    GetModel,
    /// How the server is doing.
    GetStatus,
}

impl Rpc {
    /// Every call, in the protocol's order.
    pub const ALL: [Rpc; 6] = [
        Rpc::Segment,
        Rpc::SegmentStream,
        Rpc::Interpret,
        Rpc::ListModels,
        Rpc::GetModel,
        Rpc::GetStatus,
    ];

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Rpc::Segment => "Segment",
            Rpc::SegmentStream => "SegmentStream",
            Rpc::Interpret => "Interpret",
            Rpc::ListModels => "ListModels",
            Rpc::GetModel => "GetModel",
            Rpc::GetStatus => "GetStatus",
        }
    }

    /// Its span's name: service and method.
    pub(super) fn span_name(self) -> String {
        format!("{SERVICE}/{}", self.name())
    }
}

/// A status code as gRPC writes it.
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
pub(super) fn servers_fault(code: Code) -> bool {
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
