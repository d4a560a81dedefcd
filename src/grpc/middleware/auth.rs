//! Authentication, authorization, rate limit and audit record of every gRPC call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::grpc::error::ServiceError;
use crate::security::{AccessRecord, Peer, RequiredAccess, Security, required_access};
use crate::telemetry::code_name;

/// Puts an [`AuthService`] around a service.
#[derive(Clone)]
pub(crate) struct AuthLayer(pub Security);

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService {
            inner,
            security: self.0.clone(),
        }
    }
}

/// Authenticates and authorizes calls of the inner service.
#[derive(Clone)]
pub(crate) struct AuthService<S> {
    inner: S,
    security: Security,
}

impl<S> Service<Request<Body>> for AuthService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let security = &self.security;
        let path = request.uri().path();
        let access = required_access(path);
        if access == Some(RequiredAccess::Open) {
            return Box::pin(self.inner.call(request));
        }
        let peer = request.extensions().get::<Peer>();
        let audit_record = security
            .audit
            .as_ref()
            .map(|audit| audit.begin(access.map(|_| path), peer));
        let admitted = match access {
            // An unknown method, or one missing from the table of rights: both are refused alike.
            None => Err(ServiceError::NoMethod),
            Some(access) => security
                .authorize(access, request.headers(), peer)
                .map_err(ServiceError::from),
        };
        let (client, rate_limit) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                if let Some(audit_record) = audit_record {
                    audit_record.ended(code_name(error.code()));
                }
                return Box::pin(std::future::ready(Ok(error.status().into_http())));
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
        if let Some(rate_limit) = rate_limit {
            extensions.insert(rate_limit);
        }
        extensions.insert(client);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // Only responses without a message have the status in their headers; handlers record the others.
            if let (Some(audit_record), Ok(answer)) = (audit_record, &answer)
                && let Some(status) = Status::from_header_map(answer.headers())
                && status.code() != Code::Ok
            {
                audit_record.ended(code_name(status.code()));
            }
            answer
        })
    }
}
