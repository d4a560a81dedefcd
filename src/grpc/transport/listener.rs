//! Connections as they come: accepted, encrypted where the settings say so, and handed to the gRPC server. A handshake that hangs
//! waits for no one but itself.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::connection_limit::{ConnectionLimit, ConnectionPermit, TooManyConnections};
use crate::security::{Handshake, Peer, Security, SecurityCounts, name_of};

/// How long a client is given to come to terms.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes at once. One more ends the oldest: who means it is done within a few times the way to the server and back.
const HANDSHAKES: usize = 256;
/// Connections that wait to be taken over.
const WAITING: usize = 64;
/// What is waited where none can be accepted, as all file descriptors are taken.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long a client that is refused is given to read why.
const REFUSAL: Duration = Duration::from_secs(1);

/// A connection, encrypted or not.
pub(crate) struct Connection {
    stream: Stream,
    peer: Peer,
    /// Its part of the limits on connections.
    _permit: Option<ConnectionPermit>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connections that are ready for gRPC, until the receiver is dropped.
pub(crate) fn connections(
    listener: TcpListener,
    trust: &Security,
    limit: Arc<ConnectionLimit>,
) -> mpsc::Receiver<io::Result<Connection>> {
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
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                        continue;
                    }
                },
                Some(_) = handshakes.running.join_next() => continue,
            };
            // Small messages go at once. Where that cannot be set the client is gone already.
            let _ = stream.set_nodelay(true);
            let permit = limit.open(address);
            let acceptor = tls.as_ref().map(|tls| tls.grpc());
            let (acceptor, permit) = match (acceptor, permit) {
                (None, Ok(permit)) => {
                    let connection = Connection::plain(stream, address).counted(permit);
                    let _ = sender.send(Ok(connection)).await;
                    continue;
                }
                other => other,
            };
            let (sender, of_this) = (sender.clone(), counts.clone());
            handshakes.add(&counts, async move {
                let connection = match acceptor {
                    None => Some(Connection::plain(stream, address)),
                    Some(acceptor) => handshake(acceptor, stream, address, &of_this).await,
                };
                match (connection, permit) {
                    (None, _) => {}
                    (Some(connection), Ok(permit)) => {
                        let _ = sender.send(Ok(connection.counted(permit))).await;
                    }
                    (Some(connection), Err(why)) => refuse(connection, why).await,
                }
            });
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
    fn add(&mut self, counts: &SecurityCounts, handshake: impl Future<Output = ()> + Send + 'static) {
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

/// Tells a client of HTTP/2 why it is not served: an empty SETTINGS and a GOAWAY of no stream (RFC 9113, 6.8), after which its calls fail
/// as UNAVAILABLE, to be tried again.
async fn refuse(mut connection: Connection, why: TooManyConnections) {
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    tracing::debug!(peer = %connection.peer.address, "{why}");
    let why = why.to_string();
    let mut said = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    said.extend_from_slice(&(8 + why.len() as u32).to_be_bytes()[1..]);
    said.extend_from_slice(&[7, 0, 0, 0, 0, 0]);
    said.extend_from_slice(&0u32.to_be_bytes());
    said.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    said.extend_from_slice(why.as_bytes());
    let told = async {
        connection.write_all(&said).await?;
        connection.shutdown().await?;
        // Closed while something is unread, the connection would be reset, and what was said be lost.
        let mut unread = [0; 1024];
        while connection.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REFUSAL, told).await;
}

/// Comes to terms with a client; `None` where that fails or takes too long.
pub(crate) async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    counts: &SecurityCounts,
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
            _permit: None,
        }
    }

    /// One that is counted until it is closed.
    pub fn counted(self, permit: ConnectionPermit) -> Connection {
        Connection {
            _permit: Some(permit),
            ..self
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
            _permit: None,
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
