//! gRPC-web: `sagate.v1` for the pages of origins that the settings name, and for no other page.

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

/// What a page may say beside its message.
const TOLD: [HeaderName; 7] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];
/// What a page may see of an answer that has no message.
const SEEN: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// How long a browser need not ask again whether it may.
const MAX_AGE: Duration = Duration::from_secs(2 * 3600);

/// From the outside in: browsers are told what they may, gRPC-web becomes gRPC.
pub(crate) fn layers(origins: &[String]) -> (CorsLayer, GrpcWebLayer) {
    let cors = CorsLayer::new()
        .allow_origin(headers(origins))
        .allow_methods([Method::POST])
        .allow_headers(TOLD)
        .expose_headers(SEEN)
        .max_age(MAX_AGE);
    (cors, GrpcWebLayer::new())
}

fn headers(origins: &[String]) -> Vec<HeaderValue> {
    // What is no header was refused with the settings.
    origins.iter().filter_map(|it| it.parse().ok()).collect()
}

/// Refuses calls of pages of other origins, whatever they call: that a browser would hide the answer from them is too late, the work is
/// done then. Where no origin is named nothing of this server speaks to browsers, and a proxy that does is trusted.
#[derive(Clone)]
pub(crate) struct Allowed(Arc<[HeaderValue]>);

impl Allowed {
    pub fn new(origins: &[String]) -> Allowed {
        Allowed(headers(origins).into())
    }
}

/// The service that is guarded.
#[derive(Clone)]
pub(crate) struct OfAllowed<S> {
    inner: S,
    origins: Arc<[HeaderValue]>,
}

impl<S> Layer<S> for Allowed {
    type Service = OfAllowed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OfAllowed {
            inner,
            origins: self.0.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for OfAllowed<S>
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
