//! Calls begin with their headers, not when their message is here: from then on they are timed, in flight and traced, however they end.
//! A call whose message is still missing when the server shuts down is refused, as it would be once it is here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Request, Response};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::engine::EngineError;
use crate::grpc::error::ServiceError;
use crate::telemetry::{Call, Rpc, Telemetry};

/// How long a message that is on its way when the server shuts down is waited for.
const LAST_MESSAGES: Duration = Duration::from_millis(200);

/// A call that has begun, in its request's extensions until its handler takes it.
#[derive(Clone)]
pub(crate) struct Begun(Arc<Mutex<Option<Call>>>);

impl Begun {
    /// A call that has begun.
    pub fn new(call: Call) -> Begun {
        Begun(Arc::new(Mutex::new(Some(call))))
    }

    /// The call of a request, for whoever ends it.
    pub fn take(extensions: &Extensions) -> Option<Call> {
        extensions.get::<Begun>()?.end_here()
    }

    /// The call, where nobody has taken it.
    pub fn end_here(&self) -> Option<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Begins the calls of a service.
#[derive(Clone)]
pub(crate) struct Begins {
    pub telemetry: Telemetry,
    /// Becomes true when the server shuts down.
    pub draining: watch::Receiver<bool>,
}

impl<S> Layer<S> for Begins {
    type Service = Beginning<S>;

    fn layer(&self, inner: S) -> Beginning<S> {
        Beginning {
            inner,
            begins: self.clone(),
        }
    }
}

/// The service whose calls are begun.
#[derive(Clone)]
pub(crate) struct Beginning<S> {
    inner: S,
    begins: Begins,
}

impl<S> Service<Request<Body>> for Beginning<S>
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
        let Some(rpc) = Rpc::from_path(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let call = self.begins.telemetry.call_with(rpc, request.headers());
        let begun = Begun::new(call.audited(request.extensions()));
        request.extensions_mut().insert(begun.clone());
        let work = self.inner.call(request);
        let mut draining = self.begins.draining.clone();
        Box::pin(async move {
            let mut work = std::pin::pin!(work);
            let drained = async {
                // The sender lives until the server has ended.
                let _ = draining.wait_for(|&draining| draining).await;
                tokio::time::sleep(LAST_MESSAGES).await;
            };
            let answer = tokio::select! {
                biased;
                answer = &mut work => answer,
                () = drained => {
                    if let Some(call) = begun.end_here() {
                        let stopping = ServiceError::from(EngineError::Stopping);
                        call.finish(stopping.code());
                        return Ok(stopping.status().into_http());
                    }
                    work.await
                }
            };
            // No handler saw it: it was refused before its message was here. Where the client went away it is dropped, which says so.
            if let Some(call) = begun.end_here() {
                let status = answer.as_ref().ok();
                let status = status.and_then(|answer| Status::from_header_map(answer.headers()));
                call.finish(status.map_or(Code::Unknown, |status| status.code()));
            }
            answer
        })
    }
}
