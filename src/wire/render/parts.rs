//! A frame in a format whose payload stands in one piece: what comes before it, itself, what comes behind it.
//!
//! The payload is the frame's own, shared: a stream with few players in a format needs no other copy of it.

use crate::base::short::Short;
use crate::wire::format::Framing;
use crate::wire::rtmp::chunk;
use crate::wire::{flv, http1, websocket};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// A framed payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parts {
    head: Short<HEAD_BYTES_MAX>,
    payload: Bytes,
    tail: Short<TAIL_BYTES_MAX>,
}

impl Parts {
    /// A message of RTMP in a single chunk: `header` writes its header, `head` precedes the payload.
    pub fn message(header: impl FnOnce(&mut &mut [u8]), head: &[u8], payload: Bytes) -> Self {
        let mut begin = Short::written(header);
        begin.put(head);
        Parts { head: begin, payload, tail: Short::default() }
    }

    /// `head`, `payload` and `tail` in the framing of an HTTP body or a WebSocket.
    pub fn framed(framing: Framing, head: &[u8], payload: Bytes, tail: &[u8]) -> Self {
        let len = head.len() + payload.len() + tail.len();
        let mut begin = Short::written(|out| match framing {
            Framing::HttpChunks => http1::put_chunk_head(out, len),
            Framing::WebSocket => websocket::put_binary_head(out, len),
            Framing::Bare | Framing::Rtmp { .. } => {}
        });
        begin.put(head);
        let mut end = Short::default();
        end.put(tail);
        if framing == Framing::HttpChunks {
            end.put(http1::CHUNK_END);
        }
        Parts { head: begin, payload, tail: end }
    }

    /// Bytes that are all in one piece already.
    pub fn whole(bytes: Bytes) -> Self {
        Parts { head: Short::default(), payload: bytes, tail: Short::default() }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len() + self.tail.len()
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes before the payload.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The frame's payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The bytes behind the payload.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Appends all bytes.
    pub fn put(&self, out: &mut BytesMut) {
        out.reserve(self.len());
        out.put_slice(&self.head);
        out.put_slice(&self.payload);
        out.put_slice(&self.tail);
    }

    /// All bytes in one piece: the payload itself if that is all.
    pub fn to_bytes(&self) -> Bytes {
        if self.head.is_empty() && self.tail.is_empty() {
            return self.payload.clone();
        }
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

/// Most bytes before a payload: the longest framing, the head of a tag, the head of a body. The header of a
/// message is shorter than the two.
const HEAD_BYTES_MAX: usize = http1::CHUNK_HEAD_BYTES_MAX + flv::TAG_HEAD_BYTES + flv::HEAD_BYTES_MAX;
const _: () = assert!(chunk::HEADER_BYTES_MAX <= http1::CHUNK_HEAD_BYTES_MAX + flv::TAG_HEAD_BYTES);

/// Most bytes behind a payload: the size of a tag and the end of a chunk.
const TAIL_BYTES_MAX: usize = 4 + http1::CHUNK_END.len();
