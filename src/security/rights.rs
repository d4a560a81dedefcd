//! Access rules of all methods: the required role, and how calls count against the rate limit.

use crate::config::Role;

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

use RequiredAccess::{Open, Role as Call, RoleForImages as Images};
use Role::{Admin, Infer, Interpret};

/// A service and its methods.
type Service = (&'static str, &'static [(&'static str, RequiredAccess)]);

/// All methods. A method that is not listed is refused for everyone.
const TABLE: &[Service] = &[
    (
        "sagate.v1.QualityControl",
        &[
            ("Segment", Call(Infer)),
            ("SegmentStream", Images(Infer)),
            ("Interpret", Call(Interpret)),
            ("ListModels", Call(Infer)),
            ("GetModel", Call(Infer)),
            ("GetStatus", Call(Infer)),
        ],
    ),
    (
        "inference.GRPCInferenceService",
        &[
            ("ServerLive", Open),
            ("ServerReady", Open),
            ("ModelReady", Open),
            ("ServerMetadata", Call(Infer)),
            ("ModelMetadata", Call(Infer)),
            ("ModelConfig", Call(Infer)),
            ("ModelStatistics", Call(Infer)),
            ("ModelInfer", Call(Infer)),
            ("ModelStreamInfer", Images(Infer)),
            ("RepositoryIndex", Call(Infer)),
            ("RepositoryModelLoad", Call(Admin)),
            ("RepositoryModelUnload", Call(Admin)),
        ],
    ),
    (
        "sagate.v1.ModelAdminControl",
        &[
            ("LoadModel", Call(Admin)),
            ("UnloadModel", Call(Admin)),
            ("ReloadModel", Call(Admin)),
            ("GetModelStatus", Call(Admin)),
        ],
    ),
    ("grpc.health.v1.Health", &[("Check", Open), ("Watch", Open)]),
    (
        "grpc.reflection.v1.ServerReflection",
        &[("ServerReflectionInfo", Open)],
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        &[("ServerReflectionInfo", Open)],
    ),
];

/// Required access of `/SERVICE/METHOD`; `None`: the method is refused for everyone.
pub fn required_access(path: &str) -> Option<RequiredAccess> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let (_, methods) = TABLE.iter().find(|(name, _)| *name == service)?;
    methods
        .iter()
        .find(|(name, _)| *name == method)
        .map(|&(_, access)| access)
}
