//! Chunked transfer coding for responses (RFC 9112, section 7.1).

use bytes::{Bytes, BytesMut};
use std::fmt::Write;

/// The last chunk, which ends a body. There are no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Most bytes of framing: a length in hexadecimal and two line ends.
const AROUND_BYTES_MAX: usize = 16 + 4;

/// `bytes` as one chunk.
///
/// # Panics
///
/// If `bytes` is empty: an empty chunk would end the body.
pub fn chunk(bytes: &[u8]) -> Bytes {
    assert!(!bytes.is_empty(), "an empty chunk is the last one");
    let mut out = BytesMut::with_capacity(bytes.len() + AROUND_BYTES_MAX);
    write!(out, "{:x}\r\n", bytes.len()).expect("a buffer takes all that is written");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_tells_its_length_in_hexadecimal() {
        assert_eq!(chunk(b"x"), &b"1\r\nx\r\n"[..]);
        assert_eq!(&chunk(&[7; 26])[..5], b"1a\r\n\x07");
        assert_eq!(chunk(&[7; 26]).len(), 32);
    }
}
