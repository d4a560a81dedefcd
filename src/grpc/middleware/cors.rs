//! CORS and gRPC-web: `sagate.v1` for pages of the configured origins only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

/// Request headers that a page may send.
const REQUEST_HEADERS: [HeaderName; 7] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];
/// Response headers that a page may read.
const EXPOSED_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// How long browsers cache a preflight response.
const MAX_AGE: Duration = Duration::from_secs(2 * 3600);

/// From the outside in: CORS, then gRPC-web to gRPC.
pub(crate) fn layers(origins: &[String]) -> (CorsLayer, GrpcWebLayer) {
    let cors = CorsLayer::new()
        .allow_origin(headers(origins))
        .allow_methods([Method::POST])
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE);
    (cors, GrpcWebLayer::new())
}

fn headers(origins: &[String]) -> Vec<HeaderValue> {
    // Settings validation refused origins that are not valid headers.
    origins.iter().filter_map(|it| it.parse().ok()).collect()
}

/// Refuses calls from pages of other origins before any work is done; a browser would only hide the response. Without configured
/// origins nothing is refused: the server then has no gRPC-web, and a proxy that offers it must check origins.
#[derive(Clone)]
pub(crate) struct OriginLayer(Arc<[HeaderValue]>);

impl OriginLayer {
    pub fn new(origins: &[String]) -> OriginLayer {
        OriginLayer(headers(origins).into())
    }
}

/// The service that checks origins.
#[derive(Clone)]
pub(crate) struct OriginService<S> {
    inner: S,
    origins: Arc<[HeaderValue]>,
}

impl<S> Layer<S> for OriginLayer {
    type Service = OriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OriginService {
            inner,
            origins: self.0.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for OriginService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut origins = request.headers().get_all(ORIGIN).into_iter();
        if self.origins.is_empty() || origins.all(|origin| self.origins.contains(origin)) {
            return Box::pin(self.inner.call(request));
        }
        let mut refused = Response::new(Body::new(
            "the page's origin is none that the setting server.cors_origins names\n".to_owned(),
        ));
        *refused.status_mut() = StatusCode::FORBIDDEN;
        Box::pin(std::future::ready(Ok(refused)))
    }
}
