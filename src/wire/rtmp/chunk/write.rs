//! Messages to chunks.
//!
//! In: a message. Out: its chunks, the first with a full header (format 0), the others with none (format 3).
//! An extended timestamp is repeated in every chunk, as Adobe's players expect. Never: compresses headers,
//! which would save few bytes and cost each player its own copy of every frame.

use super::message::{MESSAGE_BYTES_MAX, TIMESTAMP_EXTENDED, cid};
use bytes::BufMut;

/// Appends the chunks of one message to `out`.
///
/// `chunk_size` is the size that was announced to the reader, in payload bytes; `cid` the chunk stream (see
/// [`cid`]); `timestamp` in milliseconds; `type_id` as in [`super::super::message::type_id`].
///
/// # Panics
///
/// If `chunk_size` is 0, `cid` is no chunk stream, or `payload` is longer than [`MESSAGE_BYTES_MAX`].
pub fn write_message(
    out: &mut impl BufMut,
    chunk_size: u32,
    cid: u32,
    timestamp: u32,
    type_id: u8,
    stream_id: u32,
    payload: &[u8],
) {
    write_parts(out, chunk_size, cid, timestamp, type_id, stream_id, &[payload]);
}

/// As [`write_message`], for a payload in several pieces, such as a codec's header and a frame.
///
/// # Panics
///
/// As [`write_message`].
pub fn write_parts(
    out: &mut impl BufMut,
    chunk_size: u32,
    cid: u32,
    timestamp: u32,
    type_id: u8,
    stream_id: u32,
    payload: &[&[u8]],
) {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    assert!(chunk_size > 0, "a chunk holds at least one byte");
    write_header(out, cid, timestamp, type_id, stream_id, len);
    let extended = (timestamp >= TIMESTAMP_EXTENDED).then_some(timestamp);
    let mut room = chunk_size as usize;
    for part in payload {
        let mut rest = *part;
        while !rest.is_empty() {
            if room == 0 {
                write_basic_header(out, 3, cid);
                if let Some(timestamp) = extended {
                    out.put_u32(timestamp);
                }
                room = chunk_size as usize;
            }
            let (now, later) = rest.split_at(rest.len().min(room));
            out.put_slice(now);
            room -= now.len();
            rest = later;
        }
    }
}

/// Appends the header of the first chunk of a message of `len` bytes: all its headers, if the message is not
/// longer than a chunk.
///
/// # Panics
///
/// If `cid` is no chunk stream, or `len` is above [`MESSAGE_BYTES_MAX`].
pub fn write_header(
    out: &mut impl BufMut,
    cid: u32,
    timestamp: u32,
    type_id: u8,
    stream_id: u32,
    len: usize,
) {
    assert!(len <= MESSAGE_BYTES_MAX, "the length of a message has 24 bits");
    write_basic_header(out, 0, cid);
    put_u24(out, timestamp.min(TIMESTAMP_EXTENDED));
    put_u24(out, len as u32);
    out.put_u8(type_id);
    out.put_u32_le(stream_id);
    if timestamp >= TIMESTAMP_EXTENDED {
        out.put_u32(timestamp);
    }
}

/// Most bytes that [`write_header`] appends.
pub const HEADER_BYTES_MAX: usize = 3 + 11 + 4;

/// Number of bytes that [`write_message`] appends for a payload of `payload_len` bytes.
pub fn message_len(chunk_size: u32, cid: u32, timestamp: u32, payload_len: usize) -> usize {
    let basic = basic_header_len(cid);
    let extended = if timestamp >= TIMESTAMP_EXTENDED { 4 } else { 0 };
    let continued = payload_len.div_ceil(chunk_size as usize).saturating_sub(1);
    basic + 11 + extended + payload_len + continued * (basic + extended)
}

/// The basic header in its shortest form (section 5.3.1.1).
fn write_basic_header(out: &mut impl BufMut, format: u8, cid: u32) {
    assert!((cid::MIN..=cid::MAX).contains(&cid), "not a chunk stream");
    let format = format << 6;
    match cid {
        ..64 => out.put_u8(format | cid as u8),
        64..320 => out.put_slice(&[format, (cid - 64) as u8]),
        _ => {
            out.put_u8(format | 1);
            out.put_u16_le((cid - 64) as u16);
        }
    }
}

fn basic_header_len(cid: u32) -> usize {
    match cid {
        ..64 => 1,
        64..320 => 2,
        _ => 3,
    }
}

fn put_u24(out: &mut impl BufMut, value: u32) {
    out.put_uint(u64::from(value), 3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_message_is_one_chunk_with_a_full_header() {
        let mut out = Vec::new();
        write_message(&mut out, 128, cid::AUDIO, 0x1234, 8, 1, &[0xaf, 0x01, 0x21]);
        #[rustfmt::skip]
        assert_eq!(out, [
            0x07,                   // format 0, chunk stream 7
            0x00, 0x12, 0x34,       // timestamp
            0x00, 0x00, 0x03,       // length
            0x08,                   // audio
            0x01, 0x00, 0x00, 0x00, // message stream 1, little endian
            0xaf, 0x01, 0x21,
        ]);
    }

    #[test]
    fn a_long_message_goes_on_in_chunks_without_header() {
        let mut out = Vec::new();
        write_message(&mut out, 2, 6, 0, 9, 1, &[1, 2, 3, 4, 5]);
        assert_eq!(out[12..], [1, 2, 0xc6, 3, 4, 0xc6, 5]);
    }

    #[test]
    fn no_empty_chunk_follows_a_full_one() {
        let mut out = Vec::new();
        write_message(&mut out, 2, 6, 0, 9, 1, &[1, 2, 3, 4]);
        assert_eq!(out[12..], [1, 2, 0xc6, 3, 4]);
    }

    #[test]
    fn an_extended_timestamp_is_repeated_in_every_chunk() {
        let mut out = Vec::new();
        write_message(&mut out, 1, 6, 0x0100_0000, 9, 1, &[1, 2]);
        #[rustfmt::skip]
        assert_eq!(out, [
            0x06, 0xff, 0xff, 0xff, 0, 0, 2, 9, 1, 0, 0, 0, 0x01, 0x00, 0x00, 0x00, 1,
            0xc6, 0x01, 0x00, 0x00, 0x00, 2,
        ]);
    }

    #[test]
    fn the_largest_short_timestamp_is_not_extended() {
        let mut out = Vec::new();
        write_message(&mut out, 128, 6, 0xff_fffe, 9, 1, &[]);
        assert_eq!(out, [0x06, 0xff, 0xff, 0xfe, 0, 0, 0, 9, 1, 0, 0, 0]);
    }

    #[test]
    fn chunk_streams_take_one_two_or_three_bytes() {
        let basic = |cid| {
            let mut out = Vec::new();
            write_basic_header(&mut out, 0, cid);
            out
        };
        assert_eq!(basic(63), [0x3f]);
        assert_eq!(basic(64), [0x00, 0x00]);
        assert_eq!(basic(319), [0x00, 0xff]);
        assert_eq!(basic(320), [0x01, 0x00, 0x01]);
        assert_eq!(basic(65_599), [0x01, 0xff, 0xff]);
    }

    #[test]
    fn pieces_give_the_same_chunks_as_the_whole() {
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        write_message(&mut whole, 3, 6, 7, 9, 1, &[1, 2, 3, 4, 5, 6, 7]);
        write_parts(&mut pieces, 3, 6, 7, 9, 1, &[&[1, 2], &[], &[3, 4, 5, 6], &[7]]);
        assert_eq!(pieces, whole);
    }

    #[test]
    fn the_length_is_known_beforehand() {
        for (chunk_size, cid, timestamp, len) in
            [(128, 6, 0, 0), (128, 6, 0, 128), (128, 64, 0, 129), (1, 400, u32::MAX, 9)]
        {
            let mut out = Vec::new();
            write_message(&mut out, chunk_size, cid, timestamp, 9, 1, &vec![0; len]);
            assert_eq!(out.len(), message_len(chunk_size, cid, timestamp, len));
        }
    }
}
