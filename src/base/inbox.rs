//! Bytes that a peer sent and its session has not consumed yet.
//!
//! A session reads from the front and tells how much it consumed. The inbox is bounded (I16): a peer whose
//! session cannot make progress with a full inbox is at fault. An empty inbox holds no memory.

use crate::base::secret::{mark, marked};
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize, Serializer};

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

    /// Appends bytes from the socket. False, and nothing appended, if that would exceed the limit.
    #[must_use]
    pub fn receive(&mut self, bytes: &[u8]) -> bool {
        if self.bytes.len() + bytes.len() > self.limit {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
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
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// Takes the first `len` bytes without copying them.
    ///
    /// # Panics
    ///
    /// If there are fewer: a bug in the session.
    pub fn take(&mut self, len: usize) -> Bytes {
        let taken = self.bytes.split_to(len).freeze();
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        taken
    }

    /// The most bytes that it may hold.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

fn unread<S: Serializer>(bytes: &BytesMut, to: S) -> Result<S::Ok, S::Error> {
    marked(mark::UNREAD, bytes, to)
}
