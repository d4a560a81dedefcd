//! Who may be connected, and for how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tonic::transport::server::Connected;

use super::routes;
use crate::grpc::incoming::{Connection, handshake};
use crate::grpc::oip::Inference;
use crate::trust::Trust;

/// Most connections; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long a connection may be silent before a request, and a request's headers may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How long an answer may wait for its reader to take any of it.
const SLOW_READER: Duration = Duration::from_secs(60);

/// Answers until the server is shutting down and every connection has ended.
pub(in crate::grpc) async fn serve(
    listener: TcpListener,
    inference: Inference,
    draining: watch::Receiver<bool>,
) {
    let trust = inference.trust().clone();
    let router = routes::router(inference);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = draining.clone();
    loop {
        tokio::select! {
            _ = stop.wait_for(|&draining| draining) => break,
            accepted = accept(&listener, &places) => {
                connections.spawn(answer(accepted, trust.clone(), router.clone(), draining.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection, where it comes from, and its place.
type Accepted = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// The next connection, once there is a place for it. Out of file descriptors, or a client that is gone again: after a moment the next
/// may be fine.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, place),
            Err(error) => {
                tracing::warn!(%error, "the HTTP port cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(
    (stream, address, _place): Accepted,
    trust: Trust,
    router: Router,
    mut draining: watch::Receiver<bool>,
) {
    // Without them it works as well, if slower and longer.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(SLOW_READER));
    let connection = match &trust.tls {
        None => Connection::plain(stream, address),
        Some(tls) => match handshake(tls.http(), stream, address, &trust.counts).await {
            Some(connection) => connection,
            None => return,
        },
    };
    let router = router.layer(Extension(connection.connect_info()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // However it ends, the client has seen it.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|&draining| draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
