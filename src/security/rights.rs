//! The table of methods: what a caller needs to be for each, and how it is counted.

use crate::config::Role;

/// What a method asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredAccess {
    /// Nothing: it tells nothing of images or patients, and probes and tools ask it before they could say who they are.
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

/// Everything that may be asked. What is not here is refused to everyone: a new method needs a line.
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

/// What `/SERVICE/METHOD` needs; `None`: nobody may ask it.
pub fn required_access(path: &str) -> Option<RequiredAccess> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let (_, methods) = TABLE.iter().find(|(name, _)| *name == service)?;
    methods
        .iter()
        .find(|(name, _)| *name == method)
        .map(|&(_, access)| access)
}
