//! Repairs start codes where lengths belong (H.264 and H.265, Annex B).
//!
//! Some encoders put a byte stream with start codes into containers that want configuration records and
//! samples with lengths. In: frames as received. Out: [`repair`] returns a payload as [`Codec`] says, copied,
//! for the frames that need it, so that no other code must know.

use super::nal::{byte_stream_units, nals};
use super::{h264, h265};
use crate::media::frame::{Codec, Frame, FrameKind};
use bytes::Bytes;

/// The payload that the frame should have had; `None` if it is right, or cannot be repaired. `config` is the
/// configuration in force on its track.
pub fn repair(frame: &Frame, config: Option<&[u8]>) -> Option<Bytes> {
    let payload = &frame.payload[..];
    if !begins_with_start_code(payload) {
        return None;
    }
    let repaired = match (frame.codec, frame.kind) {
        // The first byte of a record is its version, 1, and that of a byte stream is 0.
        (Codec::H264, FrameKind::Config) => h264::config_from_annexb(payload).ok()?,
        (Codec::H265, FrameKind::Config) => h265::config_from_annexb(payload).ok()?,
        (Codec::H264 | Codec::H265, FrameKind::Key | FrameKind::Inter) => {
            let length_size = length_size(frame.codec, config);
            if !is_annexb(payload, length_size) {
                return None;
            }
            to_sample(payload, length_size)?
        }
        _ => return None,
    };
    Some(repaired.into())
}

fn length_size(codec: Codec, config: Option<&[u8]>) -> u8 {
    let size = match codec {
        Codec::H264 => config.and_then(|config| Some(h264::AvcConfig::parse(config).ok()?.nal_length_size())),
        _ => config.and_then(|config| Some(h265::HevcConfig::parse(config).ok()?.nal_length_size())),
    };
    size.unwrap_or(4)
}

fn begins_with_start_code(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1])
}

/// True if `payload` holds start codes where lengths of `length_size` bytes belong. `00 00 01` may also begin
/// a length (of 256 to 511), so a payload counts as a byte stream only if it begins with a start code and is
/// no valid row of lengths.
pub fn is_annexb(payload: &[u8], length_size: u8) -> bool {
    begins_with_start_code(payload) && nals(payload, length_size).any(|nal| nal.is_err())
}

/// A copy of a byte stream as a sample with lengths of `length_size` bytes; `None` if a unit is too long for
/// such a length.
pub fn to_sample(bytes: &[u8], length_size: u8) -> Option<Vec<u8>> {
    assert!((1..=4).contains(&length_size), "a NAL length has 1 to 4 bytes");
    let unused = 4 - usize::from(length_size);
    let mut sample = Vec::with_capacity(bytes.len() + 16);
    for nal in byte_stream_units(bytes) {
        let length = u32::try_from(nal.len()).ok()?.to_be_bytes();
        let (over, length) = length.split_at(unused);
        if over.iter().any(|&byte| byte != 0) {
            return None;
        }
        sample.extend_from_slice(length);
        sample.extend_from_slice(nal);
    }
    Some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};
    use crate::media::frame::Track;
    use crate::media::timestamp::Timestamp;
    use proptest::prelude::*;

    /// 1920x1080 by x264: its parameter sets as a byte stream, and as a record.
    const SETS: &str = "0000000167640028acd940780227e5c044000003000400000300c83c60c658\
                        0000000168ef8fcb";
    const RECORD: &str = "01640028ffe1001b67640028acd940780227e5c044000003000400000300c83c60c658\
                          01000468ef8fcb";

    fn repaired(codec: Codec, kind: FrameKind, payload: &[u8], config: Option<&[u8]>) -> Option<Vec<u8>> {
        let frame = Frame {
            track: Track::VIDEO,
            codec,
            kind,
            sound: 0,
            dts: Timestamp::from_millis(0),
            cts: 0,
            payload: Bytes::copy_from_slice(payload),
        };
        repair(&frame, config).map(Vec::from)
    }

    #[test]
    fn parameter_sets_become_a_record() {
        assert_eq!(repaired(Codec::H264, FrameKind::Config, &unhex(SETS), None), Some(unhex(RECORD)));
        assert_eq!(repaired(Codec::H264, FrameKind::Config, &unhex(RECORD), None), None);
        assert_eq!(repaired(Codec::H264, FrameKind::Config, &unhex("0000000168ef8fcb"), None), None);
    }

    #[test]
    fn frames_get_lengths_of_the_size_that_their_configuration_says() {
        let annexb = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0x84];
        let sample = [0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 3, 0x65, 0x88, 0x84];
        assert_eq!(repaired(Codec::H264, FrameKind::Key, &annexb, None), Some(sample.to_vec()));
        assert_eq!(repaired(Codec::H264, FrameKind::Key, &sample, None), None);
        let mut record = unhex(RECORD);
        record[4] = 0xfd;
        let short = [0, 2, 9, 0xf0, 0, 3, 0x65, 0x88, 0x84];
        assert_eq!(repaired(Codec::H264, FrameKind::Inter, &annexb, Some(&record)), Some(short.to_vec()));
        assert_eq!(repaired(Codec::Av1, FrameKind::Key, &annexb, None), None);
        assert_eq!(repaired(Codec::H264, FrameKind::End, &annexb, None), None);
    }

    #[test]
    fn start_codes_are_told_from_lengths() {
        let annexb = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0x84];
        assert!(is_annexb(&annexb, 4));
        // A unit of 257 bytes begins with the same three bytes as a start code.
        let mut sample = vec![0, 0, 1, 1];
        sample.extend([0x65; 257]);
        assert!(!is_annexb(&sample, 4));
        assert!(!is_annexb(&[0, 0, 0, 1, 0x0a], 4));
        assert!(!is_annexb(&[0, 0, 0, 9, 0x65], 4));
    }

    #[test]
    fn zeros_around_units_belong_to_the_byte_stream() {
        let annexb = [0, 0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0, 0, 1, 0x65, 0x88, 0x84, 0, 0, 0];
        assert_eq!(byte_stream_units(&annexb).collect::<Vec<_>>(), [&[9, 0xf0][..], &[0x65, 0x88, 0x84]]);
        assert_eq!(byte_stream_units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn a_unit_too_long_for_its_length_is_beyond_repair() {
        let mut annexb = vec![0, 0, 1];
        annexb.extend([0x65; 256]);
        assert_eq!(to_sample(&annexb, 1), None);
        assert_eq!(to_sample(&annexb, 2).unwrap()[..2], [1, 0]);
    }

    #[test]
    fn hostile_streams_never_panic() {
        never_panics(&[&unhex(SETS)], |bytes| {
            repaired(Codec::H264, FrameKind::Config, bytes, Some(bytes));
            repaired(Codec::H265, FrameKind::Config, bytes, Some(bytes));
            repaired(Codec::H265, FrameKind::Key, bytes, Some(bytes));
        });
    }

    proptest! {
        #[test]
        fn a_sample_from_a_byte_stream_holds_its_units(
            nal in prop::collection::vec(prop::collection::vec(1u8.., 1..20), 0..6),
            length_size in 1u8..=4,
        ) {
            let annexb: Vec<u8> = nal.iter().flat_map(|nal| [&[0, 0, 1], &nal[..]].concat()).collect();
            let sample = to_sample(&annexb, length_size).unwrap();
            let again: Vec<_> = nals(&sample, length_size).map(|nal| nal.unwrap().to_vec()).collect();
            prop_assert_eq!(again, nal);
        }
    }
}
