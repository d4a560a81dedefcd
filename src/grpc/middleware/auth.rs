//! In front of every call: who asks, whether that one may, whether too often, and the line that the audit log gets.

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

/// Puts a [`Guard`] around a service.
#[derive(Clone)]
pub(crate) struct Guarded(pub Security);

impl<S> Layer<S> for Guarded {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            trust: self.0.clone(),
        }
    }
}

/// Guards what is inside.
#[derive(Clone)]
pub(crate) struct Guard<S> {
    inner: S,
    trust: Security,
}

impl<S> Service<Request<Body>> for Guard<S>
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
        let trust = &self.trust;
        let path = request.uri().path();
        let needed = required_access(path);
        if needed == Some(RequiredAccess::Open) {
            return Box::pin(self.inner.call(request));
        }
        let peer = request.extensions().get::<Peer>();
        let asked = trust
            .audit
            .as_ref()
            .map(|audit| audit.begin(needed.map(|_| path), peer));
        let admitted = match needed {
            // No service has it, or the table was forgotten; the caller sees no difference.
            None => Err(ServiceError::NoMethod),
            Some(needed) => trust
                .authorize(needed, request.headers(), peer)
                .map_err(ServiceError::from),
        };
        let (client, pace) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                if let Some(asked) = asked {
                    asked.ended(code_name(error.code()));
                }
                return Box::pin(std::future::ready(Ok(error.status().into_http())));
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
        if let Some(pace) = pace {
            extensions.insert(pace);
        }
        extensions.insert(client);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // Only what ended without a message says its code here; a handler tells the others'.
            if let (Some(asked), Ok(answer)) = (asked, &answer)
                && let Some(status) = Status::from_header_map(answer.headers())
                && status.code() != Code::Ok
            {
                asked.ended(code_name(status.code()));
            }
            answer
        })
    }
}
