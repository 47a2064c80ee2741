//! The head of a PES packet (ISO/IEC 13818-1, 2.4.3.6).
//!
//! In: stream id, times in 90 kHz ticks, length of the payload. Out: the bytes of the head.

use super::packet::WRAP;

/// Longest head, in bytes.
const HEAD_BYTES_MAX: usize = 19;

/// Greatest value of the length field.
const LENGTH_MAX: usize = 0xffff;

/// The head of one PES packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PesHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

impl PesHead {
    /// The head before `payload_len` bytes with presentation time `pts` and decoding time `dts`, both in 90
    /// kHz ticks and taken modulo 2^33. `None` if the payload is too long for a stream that must have a
    /// length; video (0xE0 to 0xEF) need not.
    ///
    /// The length is written wherever it can be: a demuxer then emits the frame with its last byte instead of
    /// with the first byte of the next frame.
    pub fn new(stream_id: u8, pts: i64, dts: i64, payload_len: usize) -> Option<PesHead> {
        let times = if pts == dts { 5 } else { 10 };
        let length = match 3 + times + payload_len {
            length if length <= LENGTH_MAX => length as u16,
            _ if stream_id & 0xf0 == 0xe0 => 0,
            _ => return None,
        };
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes[..4].copy_from_slice(&[0, 0, 1, stream_id]);
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        // The payload begins with an access unit (data_alignment_indicator).
        bytes[6] = 0x84;
        bytes[8] = times as u8;
        if pts == dts {
            bytes[7] = 0x80;
            bytes[9..14].copy_from_slice(&time(0x2, pts));
        } else {
            bytes[7] = 0xc0;
            bytes[9..14].copy_from_slice(&time(0x3, pts));
            bytes[14..19].copy_from_slice(&time(0x1, dts));
        }
        Some(PesHead { bytes, len: 9 + times })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A timestamp: 3, 15 and 15 bits, each followed by a one, after a prefix that tells which timestamp it is.
fn time(prefix: u8, ticks: i64) -> [u8; 5] {
    let ticks = ticks.rem_euclid(WRAP) as u64;
    let [.., a, b, c, d, e] = (u64::from(prefix) << 36
        | (ticks >> 30) << 33
        | 1 << 32
        | (ticks >> 15 & 0x7fff) << 17
        | 1 << 16
        | (ticks & 0x7fff) << 1
        | 1)
    .to_be_bytes();
    [a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_reordering_has_one_time() {
        let head = PesHead::new(0xc0, 126_000, 126_000, 100).expect("short");
        assert_eq!(
            head.as_slice(),
            [0, 0, 1, 0xc0, 0, 108, 0x84, 0x80, 5, 0x21, 0x00, 0x07, 0xd8, 0x61],
            "126 000 = 0x1EC30: 000, 000000000000011, 110110000110000"
        );
    }

    #[test]
    fn a_reordered_frame_has_two() {
        let head = PesHead::new(0xe0, 0x1_ffff_ffff, 0, 100).expect("short");
        assert_eq!(
            head.as_slice(),
            [0, 0, 1, 0xe0, 0, 113, 0x84, 0xc0, 10, 0x3f, 0xff, 0xff, 0xff, 0xff, 0x11, 0, 1, 0, 1]
        );
    }

    #[test]
    fn times_wrap_at_33_bits_and_may_lie_before_zero() {
        assert_eq!(time(2, WRAP + 1), time(2, 1));
        assert_eq!(time(2, -1), time(2, WRAP - 1));
    }

    #[test]
    fn only_video_may_be_longer_than_its_length_field_can_tell() {
        let longest = LENGTH_MAX - 8;
        assert_eq!(PesHead::new(0xe0, 0, 0, longest).expect("video").as_slice()[4..6], [0xff, 0xff]);
        assert_eq!(PesHead::new(0xe0, 0, 0, longest + 1).expect("video").as_slice()[4..6], [0, 0]);
        assert!(PesHead::new(0xc0, 0, 0, longest).is_some());
        assert_eq!(PesHead::new(0xc0, 0, 0, longest + 1), None);
    }
}
