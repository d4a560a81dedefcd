//! Authentication, authorization, rate limit and audit record of every HTTP path. A path needs the same rights as its gRPC method.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;
use tonic::Code;

use super::failure;
use crate::config::Role;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::call_start::StartedCall;
use crate::grpc::pipeline::caller::Caller;
use crate::oip::Inference;
use crate::proto::Rpc;
use crate::security::{AccessRecord, Peer, RequiredAccess, access_to_call};
use crate::telemetry::code_name;

/// The rights that a path needs.
#[derive(Clone)]
pub(crate) struct AuthLayer {
    inference: Inference,
    /// Its gRPC method; `None`: unknown path.
    rpc: Option<Rpc>,
    required: RequiredAccess,
}

impl AuthLayer {
    /// The path of a gRPC method.
    pub fn call(inference: &Inference, rpc: Rpc) -> AuthLayer {
        AuthLayer {
            inference: inference.clone(),
            rpc: Some(rpc),
            required: access_to_call(rpc),
        }
    }

    /// An unknown path: only callers that may list models get 404.
    pub fn unknown(inference: &Inference) -> AuthLayer {
        AuthLayer {
            inference: inference.clone(),
            rpc: None,
            required: RequiredAccess::Role(Role::Infer),
        }
    }

    /// Starts the call, with the audit record of the request's extensions.
    fn begin(&self, request: &mut Request) -> Option<StartedCall> {
        let call = self.inference.call(self.rpc?, request.headers());
        let begun = StartedCall::new(call.audited(request.extensions()));
        request.extensions_mut().insert(begun.clone());
        Some(begun)
    }
}

/// Passes a request on, or refuses it.
pub(crate) async fn guard(
    State(guarded): State<AuthLayer>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let security = guarded.inference.security();
    let method = guarded.rpc.map(Rpc::path);
    if let Some(record) = request.extensions().get::<Arc<AccessRecord>>()
        && let Some(method) = method
    {
        record.set_method(method);
    }
    if guarded.required == RequiredAccess::Open {
        return answer(&guarded, request, next).await;
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let audit_record = security
        .audit
        .as_ref()
        .map(|audit| audit.begin(method, peer.as_ref()));
    let authorized = security.authorize(guarded.required, request.headers(), peer.as_ref());
    let (client, rate_limit) = match authorized.map_err(ServiceError::from) {
        Ok(authorized) => authorized,
        Err(error) => {
            if let Some(audit_record) = audit_record {
                audit_record.ended(code_name(error.code()));
            }
            return failure::response(&error);
        }
    };
    let extensions = request.extensions_mut();
    if let Some(audit_record) = &audit_record {
        audit_record.set_client(&client);
        extensions.insert(audit_record.clone());
    }
    if let Some(record) = extensions.get::<Arc<AccessRecord>>() {
        record.set_client(&client);
    }
    let time = guarded.inference.time();
    let deadline = time.and_then(|time| Instant::now().checked_add(time));
    extensions.insert(Caller::new(client, rate_limit, deadline));
    let answer = answer(&guarded, request, next).await;
    if let Some(audit_record) = audit_record {
        audit_record.ended(code_name(code(&answer)));
    }
    answer
}

/// The response within the request's call; finishes the call unless a handler has.
async fn answer(guarded: &AuthLayer, mut request: Request, next: Next) -> Response<Body> {
    let begun = guarded.begin(&mut request);
    let answer = next.run(request).await;
    if let Some(call) = begun.and_then(|begun| begun.take_unfinished()) {
        call.finish(code(&answer));
    }
    answer
}

fn code(answer: &Response<Body>) -> Code {
    answer.extensions().get().copied().unwrap_or(Code::Ok)
}
