//! In front of every path: who asks, whether that one may, whether too often, and the line that the audit log gets. A path asks of its
//! caller what the gRPC call does that it stands for.

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
use crate::grpc::middleware::call_start::Begun;
use crate::grpc::pipeline::caller::Caller;
use crate::oip::Inference;
use crate::security::{AccessRecord, Peer, RequiredAccess, required_access};
use crate::telemetry::{Rpc, code_name};

/// What a path asks of its caller.
#[derive(Clone)]
pub(crate) struct Guarded {
    inference: Inference,
    /// The call that it stands for; `None`: there is no such path.
    rpc: Option<Rpc>,
    /// The same as a path of gRPC.
    method: String,
    /// `None`: nobody may ask it.
    need: Option<RequiredAccess>,
}

impl Guarded {
    /// A path that stands for a call.
    pub fn call(inference: &Inference, rpc: Rpc) -> Guarded {
        let method = format!("/inference.GRPCInferenceService/{}", rpc.name());
        Guarded {
            inference: inference.clone(),
            rpc: Some(rpc),
            need: required_access(&method),
            method,
        }
    }

    /// Every other path: that it is not there is told to whoever may ask for what is.
    pub fn unknown(inference: &Inference) -> Guarded {
        Guarded {
            inference: inference.clone(),
            rpc: None,
            need: Some(RequiredAccess::Role(Role::Infer)),
            method: String::new(),
        }
    }

    /// Begins the call, with what the request's extensions say of the audit log.
    fn begin(&self, request: &mut Request) -> Option<Begun> {
        let call = self.inference.call(self.rpc?, request.headers());
        let begun = Begun::new(call.audited(request.extensions()));
        request.extensions_mut().insert(begun.clone());
        Some(begun)
    }
}

/// Lets a request pass, or answers it.
pub(crate) async fn guard(
    State(guarded): State<Guarded>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let trust = guarded.inference.trust();
    if let Some(record) = request.extensions().get::<Arc<AccessRecord>>()
        && guarded.rpc.is_some()
    {
        record.set_method(&guarded.method);
    }
    if guarded.need == Some(RequiredAccess::Open) {
        return answer(&guarded, request, next).await;
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let method = guarded.rpc.map(|_| &*guarded.method);
    let asked = trust
        .audit
        .as_ref()
        .map(|audit| audit.begin(method, peer.as_ref()));
    let admitted = match guarded.need {
        None => Err(ServiceError::NoMethod),
        Some(needed) => trust
            .authorize(needed, request.headers(), peer.as_ref())
            .map_err(ServiceError::from),
    };
    let (client, pace) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            if let Some(asked) = asked {
                asked.ended(code_name(error.code()));
            }
            return failure::response(&error);
        }
    };
    let extensions = request.extensions_mut();
    if let Some(asked) = &asked {
        asked.set_client(&client);
        extensions.insert(asked.clone());
    }
    if let Some(record) = extensions.get::<Arc<AccessRecord>>() {
        record.set_client(&client);
    }
    let time = guarded.inference.time();
    let deadline = time.and_then(|time| Instant::now().checked_add(time));
    extensions.insert(Caller::new(client, pace, deadline));
    let answer = answer(&guarded, request, next).await;
    if let Some(asked) = asked {
        asked.ended(code_name(code(&answer)));
    }
    answer
}

/// The answer, in the call that the request begins; the call ends with it unless a handler has ended it.
async fn answer(guarded: &Guarded, mut request: Request, next: Next) -> Response<Body> {
    let begun = guarded.begin(&mut request);
    let answer = next.run(request).await;
    if let Some(call) = begun.and_then(|begun| begun.end_here()) {
        call.finish(code(&answer));
    }
    answer
}

fn code(answer: &Response<Body>) -> Code {
    answer.extensions().get().copied().unwrap_or(Code::Ok)
}
