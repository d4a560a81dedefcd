//! What a caller needs to be for each method, and how the call is counted.

use crate::config::Role;
use crate::proto::Rpc;

/// What a method asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing of images or patients, and probes and tools ask it before they could say who they are.
    Open,
    /// This role. The call counts as one request.
    Role(Role),
    /// This role. Each image of the stream counts as one request, and the call itself as none.
    RoleForImages(Role),
}

/// What a method needs. A new method of `proto/` without a line here does not compile.
pub const fn need_of(rpc: Rpc) -> Need {
    match rpc {
        Rpc::ServerLive | Rpc::ServerReady | Rpc::ModelReady => Need::Open,
        Rpc::Segment
        | Rpc::ListModels
        | Rpc::GetModel
        | Rpc::GetStatus
        | Rpc::ServerMetadata
        | Rpc::ModelMetadata
        | Rpc::ModelConfig
        | Rpc::ModelStatistics
        | Rpc::ModelInfer
        | Rpc::RepositoryIndex => Need::Role(Role::Infer),
        Rpc::SegmentStream | Rpc::ModelStreamInfer => Need::RoleForImages(Role::Infer),
        Rpc::Interpret => Need::Role(Role::Interpret),
        Rpc::LoadModel
        | Rpc::UnloadModel
        | Rpc::ReloadModel
        | Rpc::GetModelStatus
        | Rpc::RepositoryModelLoad
        | Rpc::RepositoryModelUnload => Need::Role(Role::Admin),
    }
}

/// Health and reflection, whose services come from the gRPC project.
const OPEN: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What `/SERVICE/METHOD` needs; `None`: nobody may ask it.
pub fn need(path: &str) -> Option<Need> {
    let open = OPEN.contains(&path).then_some(Need::Open);
    open.or_else(|| Rpc::from_path(path).map(need_of))
}
