//! In front of every path: who asks, whether that one may, whether too often, and the line that the audit log gets. A path asks of its
//! caller what the gRPC call does that it stands for.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;
use tonic::Code;

use super::failure;
use crate::grpc::caller::Caller;
use crate::grpc::error::ServiceError;
use crate::grpc::oip::Inference;
use crate::telemetry::code_name;
use crate::trust::{Need, Peer, need};

/// Lets a request pass, or answers it.
pub(super) async fn guard(
    State(inference): State<Inference>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let trust = inference.trust();
    let method = format!("/inference.GRPCInferenceService/{}", method(request.uri().path()));
    // What is no path of the protocol asks nothing: it is told so.
    let needed = need(&method).unwrap_or(Need::Open);
    if needed == Need::Open {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let asked = trust
        .audit
        .as_ref()
        .map(|audit| audit.asked(Some(&method), peer.as_ref()));
    let (client, pace) = match trust.admit(needed, request.headers(), peer.as_ref()) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let error = ServiceError::from(refusal);
            if let Some(asked) = asked {
                asked.ended(code_name(error.code()));
            }
            return failure::response(&error);
        }
    };
    let extensions = request.extensions_mut();
    if let Some(asked) = &asked {
        asked.by(&client);
        extensions.insert(asked.clone());
    }
    extensions.insert(Caller::new(client, pace, None));
    let answer = next.run(request).await;
    if let Some(asked) = asked {
        let code = answer.extensions().get().copied().unwrap_or(Code::Ok);
        asked.ended(code_name(code));
    }
    answer
}

/// The gRPC method that a path stands for.
fn method(path: &str) -> &'static str {
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    match (path, last) {
        ("/v2", _) => "ServerMetadata",
        ("/v2/health/live", _) => "ServerLive",
        ("/v2/health/ready", _) => "ServerReady",
        ("/v2/repository/index", _) => "RepositoryIndex",
        (_, "load") => "RepositoryModelLoad",
        (_, "unload") => "RepositoryModelUnload",
        (_, "infer") => "ModelInfer",
        (_, "ready") => "ModelReady",
        (_, "config") => "ModelConfig",
        (_, "stats") => "ModelStatistics",
        _ if path.starts_with("/v2/") => "ModelMetadata",
        _ => "",
    }
}
