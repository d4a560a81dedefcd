//! The received parts of a message.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Shorter parts are copied together: each would keep alive the whole read buffer that it is a slice of.
const SHORT: usize = 4 << 10;
/// Largest part that is merged from short ones.
const GATHERED: usize = 64 << 10;

/// Parts of a message in the order in which they arrived. They take little more memory than they have bytes.
#[derive(Default)]
pub(crate) struct MessageParts {
    whole: VecDeque<Bytes>,
    short: BytesMut,
    bytes: usize,
}

impl MessageParts {
    pub fn push(&mut self, part: Bytes) {
        self.bytes += part.len();
        if part.len() < SHORT {
            self.short.extend_from_slice(&part);
            if self.short.len() < GATHERED {
                return;
            }
        }
        self.gather();
        if part.len() >= SHORT {
            self.whole.push_back(part);
        }
    }

    fn gather(&mut self) {
        if !self.short.is_empty() {
            self.whole.push_back(std::mem::take(&mut self.short).freeze());
        }
    }

    /// All parts, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Bytes> {
        self.gather();
        self.bytes = 0;
        std::mem::take(&mut self.whole).into_iter()
    }

    /// All parts as one. Each is dropped as soon as it is copied, so that they never take memory twice.
    pub fn join(mut self) -> Bytes {
        let bytes = self.bytes;
        let mut parts = self.drain();
        let Some(first) = parts.next() else {
            return Bytes::new();
        };
        if first.len() == bytes {
            return first;
        }
        let mut joined = BytesMut::with_capacity(bytes);
        joined.extend_from_slice(&first);
        drop(first);
        for part in parts {
            joined.extend_from_slice(&part);
        }
        joined.freeze()
    }
}
