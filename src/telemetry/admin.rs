//! The admin port, plain HTTP/1.1 for machines: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever restarts or routes,
//! `/loglevel` for who may change it.
//!
//! Each connection has one request and ten seconds, and there are at most 64: whoever is slow, or speaks something else, takes a place
//! for that long and nothing more.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Telemetry, log_level};
use crate::security::{Handshake, Peer, Security, Tls};

const CONNECTIONS: usize = 64;
const REQUEST: Duration = Duration::from_secs(10);
/// A request's line and headers; nobody who has business here needs more.
const HEADER_BYTES: usize = 16 * 1024;
/// What is in work when the server ends is given this long.
const END: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Admin {
    telemetry: Telemetry,
    ready: watch::Receiver<bool>,
}

/// Answers until `stop` ends, over TLS where that is for this port. Without `security` nobody could say who asks, and the log's level cannot be
/// changed here.
///
/// # Errors
/// None today: a connection that cannot be accepted is tried again.
pub async fn serve(
    listener: TcpListener,
    security: Option<Security>,
    telemetry: Telemetry,
    ready: watch::Receiver<bool>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let counts = telemetry.security_counts().clone();
    let tls = security.as_ref().and_then(|security| security.tls.clone());
    let mut router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .with_state(Admin { telemetry, ready });
    if let Some(security) = security {
        router = router.merge(log_level::router(security));
    }
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, address, place) = accept(&listener, &places) => {
                let peer = Peer { address, proxy: None, certificate: None };
                let router = router.clone().layer(Extension(peer));
                let (acceptor, counts) = (tls.as_ref().and_then(Tls::admin), counts.clone());
                connections.spawn(async move {
                    let answered = async {
                        match acceptor {
                            None => answer(stream, router).await,
                            Some(acceptor) => match acceptor.accept(stream).await {
                                Ok(stream) => {
                                    counts.handshake(Handshake::Done);
                                    answer(stream, router).await;
                                }
                                Err(_) => counts.handshake(Handshake::Failed),
                            },
                        }
                    };
                    // However it ends, the client has seen it.
                    let _ = timeout(REQUEST, answered).await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = timeout(END, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// The next connection, once there is a place for it. Out of file descriptors, or a client that is gone again: after a moment the next
/// may be fine.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, place),
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.telemetry.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "no metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn readiness(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if *admin.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
