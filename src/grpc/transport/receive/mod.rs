//! Requests while they are received: their bytes count against one budget as they arrive, and receiving takes a limited time.
//!
//! A message reaches tonic only as far as memory for it is justified: tonic reserves what a message's header announces, so the header of
//! a large message is held back until all of the message is here.

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
pub(crate) use parts::Parts;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::codec::HEADER_SIZE;
use tonic::{Code, Status};

use crate::grpc::error::ServiceError;
use crate::security::{ClientIdentity, ClientKey, Peer};

/// Largest message of which tonic may reserve the announced length before it is here: what HTTP/2 lets any stream send at first.
const RESERVED_AT_ONCE: usize = 64 << 10;

/// Methods whose client may wait as long as it likes between two messages.
const CLIENT_STREAMS: [&str; 4] = [
    "/sagate.v1.QualityControl/SegmentStream",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Puts a budget and a time limit on a request of gRPC.
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
        // In base64: where its messages end is seen only behind here.
        At::Message {
            missing: usize::MAX,
            header: None,
        }
    } else {
        At::Header(BytesMut::new())
    };
    let is_stream = CLIENT_STREAMS.contains(&request.uri().path());
    request.map(|inner| {
        Body::new(Received {
            inner,
            charge: budget.charge(client),
            max_message_bytes,
            is_stream,
            at,
            here: VecDeque::new(),
            held: Parts::default(),
            next: Bytes::new(),
            last: None,
            timer: None,
        })
    })
}

/// Where in a request's messages its bytes are.
enum At {
    /// In a header, of which these bytes are here.
    Header(BytesMut),
    /// In a message of which so many bytes are missing; of a large one, this is the header.
    Message { missing: usize, header: Option<Bytes> },
    /// Nothing more is read.
    End,
}

struct Received {
    inner: Body,
    charge: Charge,
    max_message_bytes: usize,
    /// Whether the client sends several messages, each when it likes.
    is_stream: bool,
    at: At,
    /// What can be handed over.
    here: VecDeque<Bytes>,
    /// What is here of a large message.
    held: Parts,
    /// What came after the end of a message, together with it.
    next: Bytes,
    /// Trailers that wait for what was held.
    last: Option<Frame<Bytes>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Received {
    /// Takes what arrived, up to the end of a message.
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
                    // tonic refuses one that is too long as soon as it sees the header.
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
                // The next message counts once this one has been taken.
                self.next = data;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The request breaks off: tonic says so when it sees what there is.
    fn break_off(&mut self) {
        match std::mem::replace(&mut self.at, At::End) {
            At::Header(part) if !part.is_empty() => self.here.push_back(part.freeze()),
            At::Message {
                header: Some(header), ..
            } => {
                // What is missing is not reserved for: the parts alone are cut short as well.
                self.held.drain().for_each(drop);
                self.here.push_back(header.slice(..HEADER_SIZE - 1));
            }
            At::Header(_) | At::Message { header: None, .. } | At::End => {}
        }
    }

    /// Whether bytes are missing that the client has to send now.
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

/// A stream whose client went away: it cancelled the call, or its connection was lost, which tonic tells as UNKNOWN. It takes the code
/// CANCELLED for the end of the stream, as if the client had sent all of it, and so is not given that one.
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
                // The message before was taken: who works on it counts it from now on. That of a call of one request is taken only when
                // the request has ended.
                this.charge.release();
            }
            let arrived = if this.next.is_empty() {
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
            match arrived {
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
