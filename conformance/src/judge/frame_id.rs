//! A hash of a frame that is the same in every container.
//!
//! NAL units stand after their lengths in FLV and MP4 and after start codes in a transport stream, which also
//! adds delimiters and parameter sets; AV1 has a temporal delimiter here and none there. What is left is the
//! picture's own bytes.

use crate::reader::Wrong;
use crate::reader::es;
use crate::reader::flv::Codec;

/// A hash of a frame's own bytes. Equal for what is equal in every container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId(u64);

impl FrameId {
    /// Of a frame as FLV and MP4 hold it. `lengths`: how many bytes the length of a NAL unit takes.
    pub fn of_sample(codec: Codec, payload: &[u8], lengths: usize) -> Self {
        if codec != Codec::AVC && codec != Codec::HEVC {
            return FrameId::of_bytes(codec, payload);
        }
        // By the way of a byte stream: a unit that has a start code inside is two there.
        let mut stream = Vec::with_capacity(payload.len() + 64);
        let mut rest = payload;
        while let Some((length, after)) = rest.split_at_checked(lengths) {
            let length = length.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte));
            // What a publisher tore goes no further than it is whole.
            let Some((unit, after)) = after.split_at_checked(length) else { break };
            stream.extend([0, 0, 1]);
            stream.extend_from_slice(unit);
            rest = after;
        }
        if stream.is_empty() {
            return FrameId::EMPTY;
        }
        FrameId::of_byte_stream(codec, &stream).unwrap_or_else(|_| FrameId::of_bytes(codec, payload))
    }

    /// Of an access unit as a transport stream holds it.
    ///
    /// # Errors
    /// If it is no byte stream.
    pub fn of_byte_stream(codec: Codec, payload: &[u8]) -> Result<Self, Wrong> {
        let units = es::byte_stream(payload)?;
        let own = units.into_iter().map(|unit| &payload[unit]).filter(|unit| es::picture(codec, unit));
        Ok(own.fold(FrameId::EMPTY, |frame_id, unit| frame_id.and(&unit.len().to_be_bytes()).and(unit)))
    }

    /// Of a frame that is the same everywhere, but for the delimiter of AV1.
    pub fn of_bytes(codec: Codec, payload: &[u8]) -> Self {
        let delimited = codec == Codec::AV1 && payload.starts_with(&[0x12, 0]);
        FrameId::EMPTY.and(if delimited { &payload[2..] } else { payload })
    }

    /// True of a picture of which nothing is whole: a transport stream has no place for it.
    pub fn is_nothing(self) -> bool {
        self == FrameId::EMPTY
    }

    const EMPTY: FrameId = FrameId(0xcbf2_9ce4_8422_2325);

    /// FNV-1a.
    fn and(self, bytes: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        FrameId(bytes.iter().fold(self.0, step))
    }
}

#[cfg(test)]
mod tests {
    use super::FrameId;
    use crate::reader::flv::Codec;

    #[test]
    fn a_picture_is_the_same_in_every_container() {
        let sample = [0, 0, 0, 2, 0x67, 9, 0, 0, 0, 3, 0x65, 1, 2];
        let stream = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 8, 0, 0, 1, 0x65, 1, 2];
        let same = FrameId::of_byte_stream(Codec::AVC, &stream);
        assert_eq!(Ok(FrameId::of_sample(Codec::AVC, &sample, 4)), same);
        assert_ne!(Ok(FrameId::of_sample(Codec::AVC, &sample[..12], 4)), same, "torn");
        assert!(FrameId::of_sample(Codec::AVC, &sample[..5], 4).is_nothing());
        assert!(!FrameId::of_sample(Codec::AVC, &sample, 4).is_nothing());
        let av1 = FrameId::of_sample(Codec::AV1, &[0x12, 0, 7], 4);
        assert_eq!(av1, FrameId::of_bytes(Codec::AV1, &[7]));
    }
}
