//! The outermost layer of gRPC and HTTP: resolves the client behind proxies, and writes the access log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::security::{AccessRecord, Peer, Security, required_access};
use crate::telemetry::code_name;

/// Puts an [`AccessService`] around a service.
#[derive(Clone)]
pub(crate) struct AccessLayer {
    pub security: Security,
    pub front: Frontend,
}

/// The protocol of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frontend {
    Grpc,
    Http,
}

/// Resolves proxies and logs the calls of the inner service.
#[derive(Clone)]
pub(crate) struct AccessService<S> {
    inner: S,
    security: Security,
    front: Frontend,
}

/// A body whose bytes are counted.
pub(crate) struct CountedBody<B> {
    body: B,
    record: Arc<AccessRecord>,
    out: bool,
}

/// A body type that can wrap a counted body.
pub(crate) trait Countable: Body<Data = Bytes> + Send + Unpin + Sized + 'static {
    fn counted(counted: CountedBody<Self>) -> Self;
}

impl Countable for tonic::body::Body {
    fn counted(counted: CountedBody<Self>) -> Self {
        tonic::body::Body::new(counted)
    }
}

impl Countable for axum::body::Body {
    fn counted(counted: CountedBody<Self>) -> Self {
        axum::body::Body::new(counted)
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService {
            inner,
            security: self.security.clone(),
            front: self.front,
        }
    }
}

impl Frontend {
    fn protocol(self, headers: &HeaderMap) -> &'static str {
        let content = headers
            .get(header::CONTENT_TYPE)
            .map_or(&b""[..], |it| it.as_bytes());
        match self {
            Frontend::Grpc if content.starts_with(b"application/grpc-web") => "grpc-web",
            Frontend::Grpc => "grpc",
            Frontend::Http => "http",
        }
    }

    /// The gRPC method of a path, if it names one; for HTTP the route sets the method.
    fn method(self, path: &str) -> Option<&str> {
        let is_method = self == Frontend::Grpc && required_access(path).is_some();
        is_method.then_some(path)
    }
}

impl<S, B> Service<Request<B>> for AccessService<S>
where
    S: Service<Request<B>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Countable,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(peer) = request.extensions().get::<Peer>() {
            let client = self.security.proxies.client(peer, request.headers());
            request.extensions_mut().insert(client);
        }
        let Some(log) = &self.security.access_log else {
            return Box::pin(self.inner.call(request));
        };
        let method = self.front.method(request.uri().path());
        let protocol = self.front.protocol(request.headers());
        let record = log.begin(protocol, method, request.extensions().get());
        request.extensions_mut().insert(record.clone());
        let counted = |body, record, out| B::counted(CountedBody { body, record, out });
        let answer = self
            .inner
            .call(request.map(|body| counted(body, record.clone(), false)));
        Box::pin(async move {
            let answer = answer.await?;
            record.http_status(answer.status().as_u16());
            let code = answer.extensions().get::<Code>().copied();
            if let Some(code) = code.or_else(|| code_of(answer.headers())) {
                record.set_code(code_name(code));
            }
            Ok(answer.map(|body| counted(body, record, true)))
        })
    }
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(headers).map(|status| status.code())
}

impl<B> Drop for CountedBody<B> {
    fn drop(&mut self) {
        if self.out {
            self.record.closed();
        }
    }
}

impl<B: Countable> Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) if self.out => self.record.sent(data.len() as u64),
                (Some(data), _) => self.record.received(data.len() as u64),
                (None, Some(trailers)) if self.out => {
                    if let Some(code) = code_of(trailers) {
                        self.record.set_code(code_name(code));
                    }
                }
                (None, _) => {}
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
