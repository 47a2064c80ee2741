//! Splits PES packets and MP4 samples: NAL units (ITU-T H.264 and H.265, annex B; ISO/IEC 14496-15), ADTS
//! frames (ISO/IEC 14496-3, 1.A.2), Opus packets (Opus in MPEG-2 TS, ETSI TS 102 342).
//!
//! In: the bytes. Out: where in them each unit is. [`picture`] names what of an access unit is the same in
//! every container.

use super::Wrong;
use super::flv::Codec;
use std::ops::Range;

/// The NAL units of a byte stream (annex B), without start codes and the zeros around them.
///
/// # Errors
/// If something else than zeros stands before the first start code.
pub fn byte_stream(bytes: &[u8]) -> Result<Vec<Range<usize>>, Wrong> {
    let mut units: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [0, 0, 1, ..] => {
                end_unit(bytes, &mut units, at);
                units.push(at + 3..bytes.len());
                at += 3;
            }
            [byte, ..] if units.is_empty() && byte != 0 => {
                return Err(Wrong("a byte stream begins with a start code".to_owned()));
            }
            _ => at += 1,
        }
    }
    end_unit(bytes, &mut units, bytes.len());
    units.retain(|unit| !unit.is_empty());
    Ok(units)
}

/// Ends the last unit where the zeros before `end` begin: a unit does not end with zero (7.4.1).
fn end_unit(bytes: &[u8], units: &mut [Range<usize>], end: usize) {
    if let Some(unit) = units.last_mut() {
        let zeros = bytes[unit.start..end].iter().rev().take_while(|byte| **byte == 0).count();
        unit.end = end - zeros;
    }
}

/// The NAL units of a sample in which each stands after its length of `size` bytes.
///
/// # Errors
/// If the sample ends in the middle of one, or `size` is not 1 to 4.
pub fn length_prefixed(bytes: &[u8], size: usize) -> Result<Vec<Range<usize>>, Wrong> {
    if !(1..=4).contains(&size) {
        return Err(Wrong(format!("NAL units after lengths of {size} bytes")));
    }
    let mut units = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at + size;
        let length = bytes
            .get(at..start)
            .map(|length| length.iter().fold(0, |number: usize, byte| number << 8 | usize::from(*byte)));
        let end = length.map(|length| start + length).filter(|end| *end <= bytes.len());
        let Some(end) = end else {
            return Err(Wrong("a sample ends in the middle of a NAL unit".to_owned()));
        };
        if end > start {
            units.push(start..end);
        }
        at = end;
    }
    Ok(units)
}

/// An ADTS frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adts {
    /// Audio object type.
    pub object_type: u8,
    /// In hertz.
    pub rate: u32,
    /// Channel configuration.
    pub channels: u8,
    /// The raw data block.
    pub payload: Range<usize>,
}

/// The ADTS frames that `bytes` consist of.
///
/// # Errors
/// If they are something else, or end in the middle of a frame.
pub fn adts(bytes: &[u8]) -> Result<Vec<Adts>, Wrong> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let [0xff, b1, b2, b3, b4, b5, b6, ..] = bytes[at..] else {
            return Err(Wrong(format!("no ADTS frame at byte {at} of {}", bytes.len())));
        };
        let rate = ADTS_RATES.get(usize::from(b2 >> 2 & 15)).copied();
        let length = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let head = if b1 & 1 == 1 { 7 } else { 9 };
        let whole = length >= head && at + length <= bytes.len();
        let (true, Some(rate), true, 0) = (b1 & 0xf6 == 0xf0, rate, whole, b6 & 3) else {
            return Err(Wrong(format!("no ADTS frame of one block at byte {at} of {}", bytes.len())));
        };
        frames.push(Adts {
            object_type: (b2 >> 6) + 1,
            rate,
            channels: (b2 & 1) << 2 | b3 >> 6,
            payload: at + head..at + length,
        });
        at += length;
    }
    Ok(frames)
}

const ADTS_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The Opus packets in `bytes`, each after its control header without trims.
///
/// # Errors
/// If they are something else, or end in the middle of a packet.
pub fn opus(bytes: &[u8]) -> Result<Vec<Range<usize>>, Wrong> {
    let wrong = |at: usize| Wrong(format!("no Opus packet at byte {at} of {}", bytes.len()));
    let mut packets = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let [0x7f, 0xe0, lengths @ ..] = &bytes[at..] else { return Err(wrong(at)) };
        let full = lengths.iter().take_while(|byte| **byte == 0xff).count();
        let last = *lengths.get(full).ok_or_else(|| wrong(at))?;
        let start = at + 2 + full + 1;
        let end = start + full * 255 + usize::from(last);
        if end > bytes.len() {
            return Err(wrong(at));
        }
        packets.push(start..end);
        at = end;
    }
    Ok(packets)
}

/// Whether a NAL unit belongs to the picture itself: parameter sets and delimiters are repeated, moved and
/// left out by containers.
pub fn picture(codec: Codec, unit: &[u8]) -> bool {
    match (codec, unit) {
        (_, []) => false,
        (Codec::HEVC, [first, ..]) => !(32..=35).contains(&(first >> 1 & 0x3f)),
        (_, [first, ..]) => !(7..=9).contains(&(first & 0x1f)),
    }
}

/// Whether a picture with this NAL unit is one that decoding may begin at: IDR for H.264, any intra random
/// access point for H.265.
pub fn random_access(codec: Codec, unit: &[u8]) -> bool {
    match (codec, unit) {
        (_, []) => false,
        (Codec::HEVC, [first, ..]) => (16..=23).contains(&(first >> 1 & 0x3f)),
        (_, [first, ..]) => first & 0x1f == 5,
    }
}

#[cfg(test)]
mod tests {
    use super::{adts, byte_stream, length_prefixed, opus, picture, random_access};
    use crate::reader::flv::Codec;

    #[test]
    fn units_of_a_byte_stream_end_before_their_zeros() {
        let bytes = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0, 3, 0, 0];
        assert_eq!(byte_stream(&bytes), Ok(vec![4..6, 10..12, 15..18]));
        assert!(byte_stream(&[1, 0, 0, 1]).is_err());
        assert_eq!(byte_stream(&[]), Ok(vec![]));
    }

    #[test]
    fn units_after_lengths() {
        assert_eq!(length_prefixed(&[0, 2, 9, 9, 0, 0, 0, 1, 7], 2), Ok(vec![2..4, 8..9]));
        assert!(length_prefixed(&[0, 2, 9], 2).is_err() && length_prefixed(&[0], 2).is_err());
        assert!(length_prefixed(&[0xff; 9], 4).is_err() && length_prefixed(&[], 5).is_err());
    }

    #[test]
    fn sound_of_a_transport_stream() {
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x3f, 0xfc, 1, 2];
        let found = adts(&[frame, frame].concat()).expect("two frames");
        assert_eq!((found[0].object_type, found[0].rate, found[0].channels), (2, 44_100, 2));
        assert_eq!((found[0].payload.clone(), found[1].payload.clone()), (7..9, 16..18));
        assert!(adts(&frame[..8]).is_err());
        assert_eq!(opus(&[0x7f, 0xe0, 2, 8, 8, 0x7f, 0xe0, 0]), Ok(vec![3..5, 8..8]));
        assert!(opus(&[0x7f, 0xe0, 0xff]).is_err());
    }

    #[test]
    fn what_a_picture_is() {
        assert!(picture(Codec::AVC, &[0x65]) && random_access(Codec::AVC, &[0x65]));
        assert!(picture(Codec::AVC, &[0x06]) && !picture(Codec::AVC, &[0x09]));
        assert!(random_access(Codec::HEVC, &[0x26, 1]) && !picture(Codec::HEVC, &[0x40, 1]));
    }
}
