//! Chunked transfer coding for responses (RFC 9112, section 7.1).

use bytes::{BufMut, Bytes, BytesMut};

/// The last chunk, which ends a body. There are no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What follows the bytes of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Most bytes before a chunk: its length in hexadecimal and a line end.
pub const CHUNK_HEAD_BYTES_MAX: usize = 16 + 2;

/// `bytes` as one chunk.
///
/// # Panics
///
/// If `bytes` is empty: an empty chunk would end the body.
pub fn chunk(bytes: &[u8]) -> Bytes {
    assert!(!bytes.is_empty(), "an empty chunk is the last one");
    let mut out = BytesMut::with_capacity(CHUNK_HEAD_BYTES_MAX + bytes.len() + CHUNK_END.len());
    put_chunk_head(&mut out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(CHUNK_END);
    out.freeze()
}

/// Appends what precedes a chunk of `len` bytes: its length in hexadecimal, and a line end.
pub fn put_chunk_head(out: &mut impl BufMut, len: usize) {
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[len >> (4 * place) & 0xf]);
    }
    out.put_slice(b"\r\n");
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
