//! Connections as they come: accepted, encrypted where the settings say so, and handed to the gRPC server. A handshake that hangs
//! waits for no one but itself.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::trust::{Counts, Handshake, Peer, Trust, name_of};

/// How long a client is given to come to terms.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes at once. One more ends the oldest: who means it is done within a few times the way to the server and back.
const HANDSHAKES: usize = 256;
/// Connections that wait to be taken over.
const WAITING: usize = 64;
/// What is waited where none can be accepted, as all file descriptors are taken.
const BREATH: Duration = Duration::from_millis(100);

/// A connection, encrypted or not.
pub(super) struct Connection {
    stream: Stream,
    peer: Peer,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connections that are ready for gRPC, until the receiver is dropped.
pub(super) fn connections(listener: TcpListener, trust: &Trust) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (tls, counts) = (trust.tls.clone(), trust.counts.clone());
    tokio::spawn(async move {
        let mut handshakes = Handshakes::default();
        loop {
            let (stream, address) = tokio::select! {
                () = sender.closed() => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "the gRPC port cannot accept a connection");
                        tokio::time::sleep(BREATH).await;
                        continue;
                    }
                },
                Some(_) = handshakes.running.join_next() => continue,
            };
            // Small messages go at once. Where that cannot be set the client is gone already.
            let _ = stream.set_nodelay(true);
            match &tls {
                None => {
                    let _ = sender.send(Ok(Connection::plain(stream, address))).await;
                }
                Some(tls) => {
                    let sender = sender.clone();
                    let (acceptor, of_this) = (tls.grpc(), counts.clone());
                    handshakes.add(&counts, async move {
                        let shaken = handshake(acceptor, stream, address, &of_this);
                        if let Some(connection) = shaken.await {
                            let _ = sender.send(Ok(connection)).await;
                        }
                    });
                }
            }
        }
    });
    receiver
}

/// Handshakes that are under way, the oldest first.
#[derive(Default)]
struct Handshakes {
    running: JoinSet<()>,
    by_age: VecDeque<AbortHandle>,
}

impl Handshakes {
    fn add(&mut self, counts: &Counts, handshake: impl Future<Output = ()> + Send + 'static) {
        while self.by_age.front().is_some_and(AbortHandle::is_finished) {
            self.by_age.pop_front();
        }
        self.by_age.push_back(self.running.spawn(handshake));
        // Those that are done lie between those that are not, but no more than came since the oldest.
        if self.by_age.len() > HANDSHAKES {
            self.by_age.retain(|handshake| !handshake.is_finished());
        }
        if self.by_age.len() > HANDSHAKES
            && let Some(oldest) = self.by_age.pop_front()
        {
            oldest.abort();
            counts.handshake(Handshake::PushedOut);
        }
    }
}

/// Comes to terms with a client; `None` where that fails or takes too long.
pub(super) async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    counts: &Counts,
) -> Option<Connection> {
    let (how, connection) = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => (Handshake::Done, Some(Connection::encrypted(stream, address))),
        Ok(Err(error)) => {
            tracing::debug!(%error, peer = %address, "no TLS handshake");
            (Handshake::Failed, None)
        }
        Err(_) => (Handshake::Late, None),
    };
    counts.handshake(how);
    connection
}

impl Connection {
    /// One that is not encrypted.
    pub fn plain(stream: TcpStream, address: SocketAddr) -> Connection {
        Connection {
            stream: Stream::Plain(stream),
            peer: Peer {
                address,
                proxy: None,
                certificate: None,
            },
        }
    }

    fn encrypted(stream: TlsStream<TcpStream>, address: SocketAddr) -> Connection {
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|chain| name_of(chain.first()?));
        Connection {
            stream: Stream::Tls(Box::new(stream)),
            peer: Peer {
                address,
                proxy: None,
                certificate: certificate.map(Arc::from),
            },
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
