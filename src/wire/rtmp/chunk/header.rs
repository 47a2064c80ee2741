//! Chunk headers as they stand on the wire (RTMP 1.0, section 5.3.1).
//!
//! In: a prefix of the unread bytes. Out: the fields, or `None` if more bytes are needed. Never: interprets
//! them; that depends on the chunk stream and is for the reader.

use super::message::TIMESTAMP_EXTENDED;
use serde::{Deserialize, Serialize};

/// Basic header: the chunk stream, and which message header follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Basic {
    /// Format: 0 full, 1 without message stream, 2 time only, 3 nothing.
    pub format: u8,
    /// The chunk stream.
    pub cid: u32,
    /// Its length, in bytes.
    pub len: usize,
}

impl Basic {
    /// Parses a basic header of one, two or three bytes.
    pub fn parse(bytes: &[u8]) -> Option<Basic> {
        let first = *bytes.first()?;
        let format = first >> 6;
        let (cid, len) = match first & 0x3f {
            0 => (64 + u32::from(*bytes.get(1)?), 2),
            1 => (64 + u32::from(u16::from_le_bytes(*bytes.get(1..)?.first_chunk()?)), 3),
            cid => (u32::from(cid), 1),
        };
        Some(Basic { format, cid, len })
    }
}

/// Message header of formats 0, 1 and 2, extended timestamp included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    /// Timestamp (format 0), or delta to the one before (formats 1 and 2).
    pub time: u32,
    /// Whether `time` was in the extended timestamp.
    pub extended: bool,
    /// Length and type of the message (formats 0 and 1).
    pub shape: Option<Shape>,
    /// The message stream (format 0).
    pub stream_id: Option<u32>,
    /// Its length, in bytes.
    pub len: usize,
}

/// Length and type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Payload length of the whole message.
    pub len: usize,
    /// Message type.
    pub type_id: u8,
}

impl Fields {
    /// Parses what follows the basic header of a chunk of format 0, 1 or 2.
    pub fn parse(format: u8, bytes: &[u8]) -> Option<Fields> {
        let mut len = match format {
            0 => 11,
            1 => 7,
            _ => 3,
        };
        let fixed = bytes.get(..len)?;
        let mut time = u24(&fixed[..3]);
        let extended = time == TIMESTAMP_EXTENDED;
        if extended {
            time = u32::from_be_bytes(*bytes[len..].first_chunk()?);
            len += 4;
        }
        let shape = (format < 2).then(|| Shape { len: u24(&fixed[3..6]) as usize, type_id: fixed[6] });
        let stream_id = (format == 0).then(|| u32::from_le_bytes([fixed[7], fixed[8], fixed[9], fixed[10]]));
        Some(Fields { time, extended, shape, stream_id, len })
    }
}

fn u24(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

/// Whether a chunk of format 3 repeats the extended timestamp at the start of `bytes`; `None` if more bytes
/// are needed to tell.
///
/// Adobe's programs, newer FFmpeg and others repeat it, older FFmpeg and librtmp do not, and the protocol
/// does not tell which. So the bytes are compared with the values that might be repeated; payload that equals
/// one by chance is one in 2^32.
pub(super) fn repeats_extended(bytes: &[u8], candidates: &[u32]) -> Option<bool> {
    let mut possible = false;
    for candidate in candidates {
        let expected = candidate.to_be_bytes();
        let known = bytes.len().min(4);
        if bytes[..known] == expected[..known] {
            if known == 4 {
                return Some(true);
            }
            possible = true;
        }
    }
    (!possible).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basic_header_has_three_lengths() {
        assert_eq!(Basic::parse(&[0xc3]), Some(Basic { format: 3, cid: 3, len: 1 }));
        assert_eq!(Basic::parse(&[0x40, 0x05]), Some(Basic { format: 1, cid: 69, len: 2 }));
        assert_eq!(Basic::parse(&[0x81, 0x00, 0x01]), Some(Basic { format: 2, cid: 320, len: 3 }));
        assert_eq!(Basic::parse(&[0x01, 0xff, 0xff]), Some(Basic { format: 0, cid: 65_599, len: 3 }));
        assert_eq!(Basic::parse(&[]), None);
        assert_eq!(Basic::parse(&[0x00]), None);
        assert_eq!(Basic::parse(&[0x01, 0x00]), None);
    }

    #[test]
    fn each_format_carries_a_prefix_of_the_fields() {
        let bytes = [0, 0, 40, 0, 1, 0, 9, 1, 0, 0, 0];
        let shape = Some(Shape { len: 256, type_id: 9 });
        let fields = Fields { time: 40, extended: false, shape, stream_id: Some(1), len: 11 };
        assert_eq!(Fields::parse(0, &bytes), Some(fields));
        assert_eq!(Fields::parse(1, &bytes), Some(Fields { stream_id: None, len: 7, ..fields }));
        assert_eq!(Fields::parse(2, &bytes), Some(Fields { shape: None, stream_id: None, len: 3, ..fields }));
        assert_eq!(Fields::parse(0, &bytes[..10]), None);
    }

    #[test]
    fn an_extended_timestamp_follows_the_other_fields() {
        let bytes = [0xff, 0xff, 0xff, 0x01, 0x02, 0x03, 0x04];
        let fields = Fields { time: 0x0102_0304, extended: true, shape: None, stream_id: None, len: 7 };
        assert_eq!(Fields::parse(2, &bytes), Some(fields));
        assert_eq!(Fields::parse(2, &bytes[..6]), None);
    }

    #[test]
    fn payload_is_told_from_a_repeated_timestamp_at_its_first_different_byte() {
        assert_eq!(repeats_extended(&[1, 2, 3, 4], &[0x0102_0304]), Some(true));
        assert_eq!(repeats_extended(&[9], &[0x0102_0304]), Some(false));
        assert_eq!(repeats_extended(&[1, 2], &[0x0102_0304]), None);
        assert_eq!(repeats_extended(&[], &[0x0102_0304]), None);
        assert_eq!(repeats_extended(&[1, 2, 3, 5], &[0x0102_0304, 0x0102_0305]), Some(true));
    }
}
