//! A connection's own bytes on their way out: handshakes, replies, HTTP heads and bodies.
//!
//! The frames of a stream are not queued here: a player's window on the rendition follows after its own bytes
//! (see `stream::playback`). Small writes are gathered in one buffer; shared `Bytes` (an HLS segment) are
//! queued without a copy.

use crate::base::limit::Limit;
use crate::base::slices::Slices;
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Shared bytes at least this long are queued as they are; shorter ones are copied into the gathering buffer.
const SHARE_BYTES_MIN: usize = 1024;

/// The own bytes of one connection, in sending order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename = "$outbox")]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    /// Gathers small writes; sent after everything in `queue`.
    tail: BytesMut,
    len: usize,
    bytes_max: usize,
    /// The setting that `bytes_max` comes from.
    limit: Limit,
    overflowed: bool,
}

impl Outbox {
    /// An empty outbox that may hold up to `bytes_max` bytes (I14), as the setting `limit` says.
    pub fn new(bytes_max: usize, limit: Limit) -> Self {
        Outbox { queue: VecDeque::new(), tail: BytesMut::new(), len: 0, bytes_max, limit, overflowed: false }
    }

    /// Appends a copy of `bytes`. Past the limit nothing is appended, and the outbox has overflowed, which
    /// ends the connection.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.reserve(bytes.len()) {
            self.tail.extend_from_slice(bytes);
        }
    }

    /// Appends shared bytes. Same limit as for [`Outbox::write`].
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE_BYTES_MIN {
            self.write(&bytes);
        } else if self.reserve(bytes.len()) {
            self.seal();
            self.queue.push_back(bytes);
        }
    }

    /// Puts bytes before all others, whatever the limit: the rest of a frame that the player has received a
    /// part of, which must be sent before anything else.
    pub fn push_front(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.queue.push_front(bytes);
    }

    fn reserve(&mut self, len: usize) -> bool {
        if self.overflowed || self.len + len > self.bytes_max {
            self.overflowed = true;
            return false;
        }
        self.len += len;
        true
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
    }

    /// Number of bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The limit that a write exceeded, if one did: bytes are missing, and the connection must end.
    pub fn overflowed(&self) -> Option<Limit> {
        self.overflowed.then_some(self.limit)
    }

    /// True if its length is that of its bytes. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        self.len == self.slices().map(<[u8]>::len).sum::<usize>()
    }

    /// The most bytes that it may hold.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Appends the waiting bytes to `slices`, in order; false if not all of them fit.
    pub fn show<'a>(&'a self, slices: &mut Slices<'a>) -> bool {
        self.queue.iter().all(|bytes| slices.push_shared(bytes)) && slices.push(&self.tail)
    }

    /// The waiting bytes, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        self.queue.iter().map(|bytes| &bytes[..]).chain(tail)
    }

    /// The kernel took the first `len` bytes.
    ///
    /// # Panics
    ///
    /// If fewer wait: a bug in the shell.
    pub fn advance(&mut self, mut len: usize) {
        assert!(len <= self.len, "more bytes were sent than waited");
        self.len -= len;
        while len > 0 {
            match self.queue.front_mut() {
                Some(front) if front.len() > len => {
                    front.advance(len);
                    return;
                }
                Some(front) => {
                    len -= front.len();
                    self.queue.pop_front();
                }
                None => {
                    self.tail.advance(len);
                    len = 0;
                }
            }
        }
        if self.len == 0 {
            // An idle connection holds no buffers.
            self.queue = VecDeque::new();
            self.tail = BytesMut::new();
        }
    }
}
