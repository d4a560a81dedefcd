//! Limit on the size of a call's headers, answered with a gRPC status: HTTP/2's own limit answers with a status that gRPC does not know,
//! and soon closes the connection with all of its calls.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::grpc::error::ServiceError;

/// Overhead that HTTP/2 counts per header (RFC 9113, 6.5.2).
const OVERHEAD: usize = 32;

/// Most bytes of headers that the transport reads: beyond, it answers 431, and beyond four times as many it closes the connection. This
/// layer refuses earlier, with a gRPC status.
pub(crate) fn of_transport(max_header_bytes: u32) -> u32 {
    max_header_bytes.saturating_mul(4).max(1 << 20)
}

/// Refuses calls with larger headers.
#[derive(Clone, Copy)]
pub(crate) struct HeaderLimit {
    pub max_header_bytes: u32,
}

impl<S> Layer<S> for HeaderLimit {
    type Service = HeaderLimited<S>;

    fn layer(&self, inner: S) -> HeaderLimited<S> {
        HeaderLimited {
            inner,
            limit: self.max_header_bytes as usize,
        }
    }
}

/// The service that limits headers.
#[derive(Clone)]
pub(crate) struct HeaderLimited<S> {
    inner: S,
    limit: usize,
}

/// Bytes of headers, as HTTP/2 counts them.
fn bytes(headers: &HeaderMap) -> usize {
    let of_one =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + OVERHEAD;
    headers.iter().map(of_one).sum()
}

impl<S> Service<Request<Body>> for HeaderLimited<S>
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request
            .uri()
            .path_and_query()
            .map_or(0, |path| path.as_str().len());
        let bytes = bytes(request.headers()) + path;
        if bytes <= self.limit {
            return Box::pin(self.inner.call(request));
        }
        let error = ServiceError::HeadersTooLarge {
            bytes,
            limit: self.limit,
        };
        Box::pin(std::future::ready(Ok(error.status().into_http())))
    }
}
