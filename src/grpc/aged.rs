//! Connections that end. A connection that is old is told to go, which tonic does; one that stays beyond its grace is cut, which tonic
//! does only in place of telling it. One that says nothing at its beginning is cut, and one that takes none of its answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Interval, Sleep};
use tonic::transport::server::Connected;

use super::outgoing::Stalls;
use crate::config::Connections;

/// How long a connection may take to say that it speaks HTTP, and the bytes of which HTTP/2's preface says so.
const FIRST: Duration = Duration::from_secs(10);
const PREFACE: usize = 24;
/// Times in which a stall is looked for while it becomes one.
const LOOKS: u32 = 8;

/// When a connection is told to go; `None`: never.
pub(super) fn age(settings: &Connections) -> Option<Duration> {
    let seconds = settings.max_connection_age_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// When a connection is cut; `None`: never.
fn last(settings: &Connections) -> Option<Duration> {
    let grace = settings.max_connection_age_grace_seconds;
    let age = age(settings).filter(|_| grace > 0)?;
    Some(age + Duration::from_secs(grace))
}

/// A connection that cannot be read any more once it has to end.
pub(super) struct Aged<S> {
    stream: S,
    end: Option<Pin<Box<Sleep>>>,
    /// Bytes that are missing at its beginning, and when they have to be here.
    first: Option<(usize, Pin<Box<Sleep>>)>,
    stalls: Arc<Stalls>,
    looks: Interval,
    /// How long it may take none of its answers. A call alone was reset long before.
    stalled: Duration,
}

impl<S> Aged<S> {
    pub fn new(stream: S, settings: &Connections) -> Aged<S> {
        let stalled = 2 * Duration::from_secs(settings.send_timeout_seconds);
        Aged {
            stream,
            end: last(settings).map(|last| Box::pin(tokio::time::sleep(last))),
            first: Some((PREFACE, Box::pin(tokio::time::sleep(FIRST)))),
            stalls: Arc::default(),
            looks: tokio::time::interval(stalled / LOOKS),
            stalled,
        }
    }

    /// Why it has to end now.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<&'static str> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(
                "the connection is older than server.max_connection_age_seconds and its grace",
            );
        }
        if let Some((_, first)) = &mut self.first
            && first.as_mut().poll(context).is_ready()
        {
            return Poll::Ready("the client did not say in time that it speaks HTTP");
        }
        while self.looks.poll_tick(context).is_ready() {
            if self.stalls.is_stalled(self.stalled) {
                return Poll::Ready(
                    "the client takes none of its answers (setting server.send_timeout_seconds)",
                );
            }
        }
        Poll::Pending
    }
}

impl<S: Connected> Connected for Aged<S> {
    type ConnectInfo = (S::ConnectInfo, Arc<Stalls>);

    fn connect_info(&self) -> Self::ConnectInfo {
        (self.stream.connect_info(), self.stalls.clone())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Aged<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(why) = self.poll_end(context) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((missing, _)) = &mut self.first {
            *missing = missing.saturating_sub(buffer.filled().len() - before);
            if *missing == 0 {
                self.first = None;
            }
        }
        read
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
