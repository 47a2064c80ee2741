//! Bytes that a peer sent and its session has not consumed yet.
//!
//! A session reads from the front and tells how much it consumed. The inbox is bounded (I16): a peer whose
//! session cannot make progress with a full inbox is at fault. An empty inbox holds no memory: most sessions
//! consume at once what has come, so that one buffer goes from inbox to inbox ([`Spare`]).

use crate::base::secret::{mark, marked};
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize, Serializer};

/// A buffer for whichever inbox needs one next. It is no part of the server's state: only its memory counts.
#[derive(Clone, Debug, Default)]
pub struct Spare(BytesMut);

/// Most memory of the spare buffer, in bytes.
const SPARE_BYTES_MAX: usize = 256 << 10;

/// The unread bytes of one connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inbox {
    #[serde(serialize_with = "unread")]
    bytes: BytesMut,
    limit: usize,
}

impl Inbox {
    /// An empty inbox that may hold up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Inbox { bytes: BytesMut::new(), limit }
    }

    /// Lends the spare buffer to an empty inbox. [`Inbox::settle`] gives it back.
    pub fn lend(&mut self, spare: &mut Spare) {
        if self.bytes.is_empty() {
            self.bytes = std::mem::take(&mut spare.0);
        }
    }

    /// Appends bytes from the socket. False, and nothing appended, if that would exceed the limit.
    #[must_use]
    pub fn receive(&mut self, bytes: &[u8]) -> bool {
        if self.bytes.len() + bytes.len() > self.limit {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Gives back the buffer after the session has consumed what it could. What is left moves to memory of
    /// its size.
    pub fn settle(&mut self, spare: &mut Spare) {
        if self.bytes.capacity() <= self.bytes.len().saturating_mul(2) {
            return;
        }
        let left = if self.bytes.is_empty() { BytesMut::new() } else { BytesMut::from(&self.bytes[..]) };
        let mut buffer = std::mem::replace(&mut self.bytes, left);
        buffer.clear();
        if buffer.capacity() <= SPARE_BYTES_MAX {
            spare.0 = buffer;
        }
    }

    /// The unconsumed bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of unconsumed bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if there are no unconsumed bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops the first `len` bytes.
    ///
    /// # Panics
    ///
    /// If there are fewer: a bug in the session.
    pub fn consume(&mut self, len: usize) {
        self.bytes.advance(len);
    }

    /// Takes the first `len` bytes without copying them.
    ///
    /// # Panics
    ///
    /// If there are fewer: a bug in the session.
    pub fn take(&mut self, len: usize) -> Bytes {
        self.bytes.split_to(len).freeze()
    }

    /// The most bytes that it may hold.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

fn unread<S: Serializer>(bytes: &BytesMut, to: S) -> Result<S::Ok, S::Error> {
    marked(mark::UNREAD, bytes, to)
}
