//! RPC methods and status codes, as named in labels and spans.

use tonic::Code;

/// sagate's own service.
const QUALITY_CONTROL: &str = "sagate.v1.QualityControl";
/// The service of model administration.
const MODEL_ADMIN: &str = "sagate.v1.ModelAdminControl";
/// The service of the Open Inference Protocol.
const INFERENCE: &str = "inference.GRPCInferenceService";

/// A method of `sagate.v1` or of `inference.GRPCInferenceService`; the latter over gRPC or HTTP/JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rpc {
    /// One image.
    Segment,
    /// A stream of images.
    SegmentStream,
    /// Segmentation and interpretation of one image.
    Interpret,
    /// Lists the models.
    ListModels,
    /// Describes one model.
    GetModel,
    /// Status of the server.
    GetStatus,
    /// Loads a model.
    LoadModel,
    /// Unloads a model.
    UnloadModel,
    /// Reloads a model.
    ReloadModel,
    /// Status of models.
    GetModelStatus,
    /// Whether the server runs.
    ServerLive,
    /// Whether every required model is ready.
    ServerReady,
    /// Whether one model is ready.
    ModelReady,
    /// Metadata of the server.
    ServerMetadata,
    /// Inputs and outputs of a model.
    ModelMetadata,
    /// One inference.
    ModelInfer,
    /// A stream of inferences.
    ModelStreamInfer,
    /// Configuration of a model.
    ModelConfig,
    /// Statistics of models.
    ModelStatistics,
    /// Lists the models of the repository.
    RepositoryIndex,
    /// Loads a model.
    RepositoryModelLoad,
    /// Unloads a model.
    RepositoryModelUnload,
}

impl Rpc {
    /// Every call, in the protocols' order.
    pub const ALL: [Rpc; 22] = [
        Rpc::Segment,
        Rpc::SegmentStream,
        Rpc::Interpret,
        Rpc::ListModels,
        Rpc::GetModel,
        Rpc::GetStatus,
        Rpc::LoadModel,
        Rpc::UnloadModel,
        Rpc::ReloadModel,
        Rpc::GetModelStatus,
        Rpc::ServerLive,
        Rpc::ServerReady,
        Rpc::ModelReady,
        Rpc::ServerMetadata,
        Rpc::ModelMetadata,
        Rpc::ModelInfer,
        Rpc::ModelStreamInfer,
        Rpc::ModelConfig,
        Rpc::ModelStatistics,
        Rpc::RepositoryIndex,
        Rpc::RepositoryModelLoad,
        Rpc::RepositoryModelUnload,
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
            Rpc::LoadModel => "LoadModel",
            Rpc::UnloadModel => "UnloadModel",
            Rpc::ReloadModel => "ReloadModel",
            Rpc::GetModelStatus => "GetModelStatus",
            Rpc::ServerLive => "ServerLive",
            Rpc::ServerReady => "ServerReady",
            Rpc::ModelReady => "ModelReady",
            Rpc::ServerMetadata => "ServerMetadata",
            Rpc::ModelMetadata => "ModelMetadata",
            Rpc::ModelInfer => "ModelInfer",
            Rpc::ModelStreamInfer => "ModelStreamInfer",
            Rpc::ModelConfig => "ModelConfig",
            Rpc::ModelStatistics => "ModelStatistics",
            Rpc::RepositoryIndex => "RepositoryIndex",
            Rpc::RepositoryModelLoad => "RepositoryModelLoad",
            Rpc::RepositoryModelUnload => "RepositoryModelUnload",
        }
    }

    /// The method of the path `/SERVICE/METHOD`; `None`: it is not counted.
    pub fn from_path(path: &str) -> Option<Rpc> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let is = |rpc: &Rpc| rpc.name() == method && rpc.service() == service;
        Rpc::ALL.into_iter().find(is)
    }

    /// Its service.
    pub(super) fn service(self) -> &'static str {
        match self {
            Rpc::Segment
            | Rpc::SegmentStream
            | Rpc::Interpret
            | Rpc::ListModels
            | Rpc::GetModel
            | Rpc::GetStatus => QUALITY_CONTROL,
            Rpc::LoadModel | Rpc::UnloadModel | Rpc::ReloadModel | Rpc::GetModelStatus => MODEL_ADMIN,
            _ => INFERENCE,
        }
    }

    /// Its span's name: service and method.
    pub(super) fn span_name(self) -> String {
        format!("{}/{}", self.service(), self.name())
    }
}

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
