//! The file around the bodies: head, tag heads, sizes of previous tags (annex E.2 to E.4).

use super::codes::u24;
use super::error::FlvError;
use bytes::{BufMut, BytesMut};

/// Length of [`FileHead::emit`]: head and the first PreviousTagSize, in bytes.
pub const FILE_HEAD_BYTES: usize = 13;

/// Length of a tag's head, in bytes.
pub const TAG_HEAD_BYTES: usize = 11;

/// Largest body: its length has 24 bits, in FLV and in RTMP.
pub const BODY_BYTES_MAX: usize = 0xFF_FFFF;

/// The head of an FLV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// True if there are audio tags.
    pub audio: bool,
    /// True if there are video tags.
    pub video: bool,
}

impl FileHead {
    /// Parses the head and the first PreviousTagSize, which is zero.
    ///
    /// # Errors
    ///
    /// If it is no FLV file.
    pub fn parse(bytes: &[u8; FILE_HEAD_BYTES]) -> Result<FileHead, FlvError> {
        let [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0] = bytes else {
            return Err(FlvError::Config("FLV file head"));
        };
        Ok(FileHead { audio: flags & 4 != 0, video: flags & 1 != 0 })
    }

    /// The head and the first PreviousTagSize.
    pub fn emit(self) -> [u8; FILE_HEAD_BYTES] {
        let flags = u8::from(self.audio) << 2 | u8::from(self.video);
        [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
    }
}

/// The head of a tag; sub-messages of an RTMP aggregate message begin with one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagHead {
    /// Type of the tag, see [`super::tag`].
    pub tag: u8,
    /// Length of the body in bytes. Four bytes follow the body: its length and that of this head.
    pub len: usize,
    /// Timestamp in milliseconds.
    pub timestamp_ms: u32,
}

impl TagHead {
    /// Parses a head.
    ///
    /// # Errors
    ///
    /// If the tag is encrypted.
    pub fn parse(bytes: &[u8; TAG_HEAD_BYTES]) -> Result<TagHead, FlvError> {
        let &[tag, s0, s1, s2, t1, t2, t3, t0, ..] = bytes;
        if tag & 0x20 != 0 {
            return Err(FlvError::Encrypted);
        }
        Ok(TagHead {
            tag: tag & 0x1f,
            len: u24([s0, s1, s2]) as usize,
            timestamp_ms: u32::from_be_bytes([t0, t1, t2, t3]),
        })
    }

    /// The head, for stream 0.
    ///
    /// # Panics
    ///
    /// If the body is longer than [`BODY_BYTES_MAX`].
    pub fn emit(self) -> [u8; TAG_HEAD_BYTES] {
        assert!(self.len <= BODY_BYTES_MAX, "the length of a body has 24 bits");
        let [_, s0, s1, s2] = (self.len as u32).to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp_ms.to_be_bytes();
        [self.tag, s0, s1, s2, t1, t2, t3, t0, 0, 0, 0]
    }
}

/// Length of a whole tag with a body of `len` bytes, in bytes.
pub fn tag_bytes(len: usize) -> usize {
    TAG_HEAD_BYTES + len + 4
}

/// Appends a whole tag, whose body is in pieces, and its size.
///
/// # Panics
///
/// If the body is longer than [`BODY_BYTES_MAX`].
pub fn put_tag(out: &mut BytesMut, tag: u8, timestamp_ms: u32, body: &[&[u8]]) {
    let len = body.iter().map(|piece| piece.len()).sum();
    out.reserve(tag_bytes(len));
    out.put_slice(&TagHead { tag, len, timestamp_ms }.emit());
    body.iter().for_each(|piece| out.put_slice(piece));
    out.put_u32((TAG_HEAD_BYTES + len) as u32);
}
