//! Starts calls at their headers, not at their message: from then on they are timed, counted in flight and traced, however they end.
//! A call whose message is still missing at shutdown is refused.

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
use crate::proto::Rpc;
use crate::telemetry::{Call, Telemetry};

/// Time for messages that are being received at shutdown.
const LAST_MESSAGES: Duration = Duration::from_millis(200);

/// A started call, in its request's extensions until its handler takes it.
#[derive(Clone)]
pub(crate) struct StartedCall(Arc<Mutex<Option<Call>>>);

impl StartedCall {
    /// A started call.
    pub fn new(call: Call) -> StartedCall {
        StartedCall(Arc::new(Mutex::new(Some(call))))
    }

    /// Takes the call of a request; whoever takes it must finish it.
    pub fn take(extensions: &Extensions) -> Option<Call> {
        extensions.get::<StartedCall>()?.take_unfinished()
    }

    /// The call, unless a handler has taken it.
    pub fn take_unfinished(&self) -> Option<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Starts the calls of a service.
#[derive(Clone)]
pub(crate) struct CallStartLayer {
    pub telemetry: Telemetry,
    /// Becomes true when the server shuts down.
    pub draining: watch::Receiver<bool>,
}

impl<S> Layer<S> for CallStartLayer {
    type Service = CallStartService<S>;

    fn layer(&self, inner: S) -> CallStartService<S> {
        CallStartService {
            inner,
            begins: self.clone(),
        }
    }
}

/// The service that starts calls.
#[derive(Clone)]
pub(crate) struct CallStartService<S> {
    inner: S,
    begins: CallStartLayer,
}

impl<S> Service<Request<Body>> for CallStartService<S>
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
        let begun = StartedCall::new(call.audited(request.extensions()));
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
                    if let Some(call) = begun.take_unfinished() {
                        let stopping = ServiceError::from(EngineError::Stopping);
                        call.finish(stopping.code());
                        return Ok(stopping.status().into_http());
                    }
                    work.await
                }
            };
            // No handler took it: it was refused before its message arrived. If the client disconnected, dropping the call records that.
            if let Some(call) = begun.take_unfinished() {
                let status = answer.as_ref().ok();
                let status = status.and_then(|answer| Status::from_header_map(answer.headers()));
                call.finish(status.map_or(Code::Unknown, |status| status.code()));
            }
            answer
        })
    }
}
