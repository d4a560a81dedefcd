//! Connections that end. A connection that is old is told to go, which tonic does; one that stays beyond its grace is cut, which tonic
//! does only in place of telling it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::config::Connections;

/// When a connection is told to go; `None`: never.
pub(super) fn age(settings: &Connections) -> Option<Duration> {
    let seconds = settings.max_connection_age_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// When a connection is cut; `None`: never.
pub(super) fn last(settings: &Connections) -> Option<Duration> {
    let grace = settings.max_connection_age_grace_seconds;
    let age = age(settings).filter(|_| grace > 0)?;
    Some(age + Duration::from_secs(grace))
}

/// A connection that cannot be read any more after a while.
pub(super) struct Aged<S> {
    stream: S,
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> Aged<S> {
    pub fn new(stream: S, last: Option<Duration>) -> Aged<S> {
        Aged {
            stream,
            end: last.map(|last| Box::pin(tokio::time::sleep(last))),
        }
    }
}

impl<S: Connected> Connected for Aged<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Aged<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            let old = "the connection is older than server.max_connection_age_seconds and its grace";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, old)));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Aged<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
