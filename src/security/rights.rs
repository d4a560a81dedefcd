//! Access rules of all methods: the required role, and how calls count against the rate limit.

use crate::config::Role;
use crate::proto::Rpc;

/// Required access of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredAccess {
    /// None. The method returns nothing about images or patients; probes and tools call it before they authenticate.
    Open,
    /// This role. The call counts as one request.
    Role(Role),
    /// This role. Each image of the stream counts as one request, and the call itself as none.
    RoleForImages(Role),
}

/// Access that a method of `proto/` requires. A new method without a line here does not compile.
pub const fn access_to_call(rpc: Rpc) -> RequiredAccess {
    match rpc {
        Rpc::ServerLive | Rpc::ServerReady | Rpc::ModelReady => RequiredAccess::Open,
        Rpc::Segment
        | Rpc::ListModels
        | Rpc::GetModel
        | Rpc::GetStatus
        | Rpc::ServerMetadata
        | Rpc::ModelMetadata
        | Rpc::ModelConfig
        | Rpc::ModelStatistics
        | Rpc::ModelInfer
        | Rpc::RepositoryIndex => RequiredAccess::Role(Role::Infer),
        Rpc::SegmentStream | Rpc::ModelStreamInfer => RequiredAccess::RoleForImages(Role::Infer),
        Rpc::Interpret => RequiredAccess::Role(Role::Interpret),
        Rpc::LoadModel
        | Rpc::UnloadModel
        | Rpc::ReloadModel
        | Rpc::GetModelStatus
        | Rpc::RepositoryModelLoad
        | Rpc::RepositoryModelUnload => RequiredAccess::Role(Role::Admin),
    }
}

/// Methods of health and reflection, which the gRPC project defines.
const OPEN: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Required access of `/SERVICE/METHOD`; `None`: the method is refused for everyone.
pub fn required_access(path: &str) -> Option<RequiredAccess> {
    let open = OPEN.contains(&path).then_some(RequiredAccess::Open);
    open.or_else(|| Rpc::from_path(path).map(access_to_call))
}
