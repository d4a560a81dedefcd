//! Receiving of requests: bytes are charged to one budget as they arrive, and receiving has a time limit.
//!
//! tonic reserves the length that a message's header announces, so the header of a large message is held back until the whole message
//! has arrived.

mod budget;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

pub(crate) use budget::{Charge, ReceiveBudget};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
pub(crate) use parts::MessageParts;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::codec::HEADER_SIZE;
use tonic::{Code, Status};

use crate::grpc::error::ServiceError;
use crate::proto::Rpc;
use crate::security::{ClientIdentity, ClientKey, Peer};

/// Largest message that tonic may reserve before it has arrived: HTTP/2's initial stream window.
const RESERVED_AT_ONCE: usize = 64 << 10;

/// Whether the method's client may pause without limit between two messages.
fn is_client_stream(path: &str) -> bool {
    // Both versions of reflection are streams too.
    path.ends_with("/ServerReflectionInfo") || Rpc::from_path(path).is_some_and(Rpc::is_client_streaming)
}

/// Applies the budget and the time limit to a gRPC request.
pub(crate) fn limited(
    request: http::Request<Body>,
    budget: &Arc<ReceiveBudget>,
    max_message_bytes: usize,
) -> http::Request<Body> {
    let extensions = request.extensions();
    let address = || extensions.get::<Peer>().map(|peer| peer.address);
    let client = extensions.get::<ClientIdentity>().map(ClientIdentity::key);
    let client = client.unwrap_or_else(|| ClientKey::from_address(address()));
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    let is_text = content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc-web-text"));
    let at = if is_text {
        // Base64: message boundaries are visible only after the gRPC-web layer.
        At::Message {
            missing: usize::MAX,
            header: None,
        }
    } else {
        At::Header(BytesMut::new())
    };
    let is_stream = is_client_stream(request.uri().path());
    request.map(|inner| {
        Body::new(Received {
            inner,
            charge: budget.charge(client),
            max_message_bytes,
            is_stream,
            at,
            here: VecDeque::new(),
            held: MessageParts::default(),
            next: Bytes::new(),
            last: None,
            timer: None,
        })
    })
}

/// Position in the message framing of a request.
enum At {
    /// In a header, of which these bytes have arrived.
    Header(BytesMut),
    /// In a message with so many bytes missing; for a large one, with its header.
    Message { missing: usize, header: Option<Bytes> },
    /// Finished.
    End,
}

struct Received {
    inner: Body,
    charge: Charge,
    max_message_bytes: usize,
    /// Whether the client streams messages.
    is_stream: bool,
    at: At,
    /// Data ready for tonic.
    here: VecDeque<Bytes>,
    /// Received parts of a large message.
    held: MessageParts,
    /// Data received after the end of a message, in the same frame.
    next: Bytes,
    /// Trailers that wait for the held data.
    last: Option<Frame<Bytes>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Received {
    /// Processes received data, up to the end of a message.
    fn take(&mut self, mut data: Bytes) -> Result<(), ServiceError> {
        while !data.is_empty() {
            match &mut self.at {
                At::End => return Ok(()),
                At::Header(part) => {
                    let missing = HEADER_SIZE - part.len();
                    let more = data.split_to(missing.min(data.len()));
                    let header = if more.len() == HEADER_SIZE {
                        more
                    } else {
                        part.extend_from_slice(&more);
                        if part.len() < HEADER_SIZE {
                            continue;
                        }
                        std::mem::take(part).freeze()
                    };
                    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                    // tonic refuses one that is too long at its header.
                    let is_large = length > RESERVED_AT_ONCE && length <= self.max_message_bytes;
                    let header = if is_large {
                        Some(header)
                    } else {
                        self.here.push_back(header);
                        None
                    };
                    self.at = At::Message {
                        missing: length,
                        header,
                    };
                }
                At::Message { missing, header } => {
                    let part = data.split_to((*missing).min(data.len()));
                    self.charge.add(part.len())?;
                    *missing -= part.len();
                    match header {
                        Some(_) => self.held.push(part),
                        None => self.here.push_back(part),
                    }
                }
            }
            if let At::Message { missing: 0, header } = &mut self.at {
                if let Some(header) = header.take() {
                    self.here.push_back(header);
                    self.here.extend(self.held.drain());
                }
                self.at = At::Header(BytesMut::new());
                self.timer = None;
                // The next message is charged once this one has been taken.
                self.next = data;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The request is truncated: passes the rest to tonic, which reports that.
    fn break_off(&mut self) {
        match std::mem::replace(&mut self.at, At::End) {
            At::Header(part) if !part.is_empty() => self.here.push_back(part.freeze()),
            At::Message {
                header: Some(header), ..
            } => {
                // Without the header, so that tonic does not reserve the missing bytes.
                self.held.drain().for_each(drop);
                self.here.push_back(header.slice(..HEADER_SIZE - 1));
            }
            At::Header(_) | At::Message { header: None, .. } | At::End => {}
        }
    }

    /// Whether a message is incomplete, so that the time limit applies.
    fn is_waited_for(&self) -> bool {
        match &self.at {
            At::Header(part) => !part.is_empty() || !self.is_stream,
            At::Message { .. } => true,
            At::End => false,
        }
    }

    fn fail(&mut self, error: ServiceError) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.at = At::End;
        self.held.drain().for_each(drop);
        self.here.clear();
        self.charge.release();
        let mut status = error.status();
        status.set_source(Arc::new(error));
        Poll::Ready(Some(Err(status)))
    }
}

/// The error of a stream whose client disconnected: it cancelled the call, or its connection was lost, which tonic reports as UNKNOWN.
/// tonic takes CANCELLED for a regular end of the stream, so that code is not passed on.
fn lost(status: Status) -> Status {
    if !matches!(status.code(), Code::Cancelled | Code::Unknown) {
        return status;
    }
    let mut status = Status::unavailable("the client went away");
    status.set_source(Arc::new(ServiceError::Cancelled));
    status
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some(part) = this.here.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            if let At::End = this.at {
                return Poll::Ready(this.last.take().map(Ok));
            }
            if this.is_stream && matches!(&this.at, At::Header(part) if part.is_empty()) {
                // The previous message was taken and is accounted for by its handler. A unary call's message is taken only at the end of
                // the request.
                this.charge.release();
            }
            let admitted = if this.next.is_empty() {
                match Pin::new(&mut this.inner).poll_frame(context) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        if !this.is_waited_for() {
                            return Poll::Pending;
                        }
                        let until = Instant::now() + this.charge.timeout();
                        let sleep = || Box::pin(tokio::time::sleep_until(until.into()));
                        let timer = this.timer.get_or_insert_with(sleep);
                        return match timer.as_mut().poll(context) {
                            Poll::Pending => Poll::Pending,
                            Poll::Ready(()) => {
                                let late = this.charge.too_slow();
                                this.fail(late)
                            }
                        };
                    }
                }
            } else {
                Some(Ok(Frame::data(std::mem::take(&mut this.next))))
            };
            match admitted {
                None => this.break_off(),
                Some(Err(status)) => {
                    this.at = At::End;
                    let status = if this.is_stream { lost(status) } else { status };
                    return Poll::Ready(Some(Err(status)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Err(error) = this.take(data) {
                            return this.fail(error);
                        }
                    }
                    Err(trailers) => {
                        this.break_off();
                        this.last = Some(trailers);
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_is_left = self.here.is_empty() && self.next.is_empty() && self.last.is_none();
        nothing_is_left
            && match &self.at {
                At::End => true,
                At::Header(part) => part.is_empty() && self.inner.is_end_stream(),
                At::Message { .. } => false,
            }
    }
}
