//! The admin port, plain HTTP/1.1 for machines: `/metrics` for Prometheus, `/healthz` and `/readyz` for orchestrators and load
//! balancers, `/loglevel` for administrators.
//!
//! Each connection serves one request within ten seconds, and there are at most 64 of them. This bounds the cost of slow or invalid clients.

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

const MAX_CONNECTIONS: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of request line and headers.
const HEADER_BYTES: usize = 16 * 1024;
/// Time limit for open requests at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Admin {
    telemetry: Telemetry,
    ready: watch::Receiver<bool>,
}

/// Serves until `stop` resolves, over TLS if configured for this port. Without `security` callers cannot authenticate, and `/loglevel` is not
/// served.
///
/// # Errors
/// None at present: failures to accept are retried.
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
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, address, permit) = accept(&listener, &permits) => {
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
                    // The client sees the outcome.
                    let _ = timeout(REQUEST_TIMEOUT, answered).await;
                    drop(permit);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = timeout(SHUTDOWN_TIMEOUT, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

/// Accepts the next connection when a permit is free. Failures, such as too many open files, are retried after a short delay.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, permit),
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
