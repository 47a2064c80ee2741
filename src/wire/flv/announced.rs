//! The tracks that a publisher's metadata announces.

use crate::media::frame::{Codec, Frame};
use crate::wire::amf0::{self, Value};

/// The kinds of tracks that are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Audio.
    pub audio: bool,
    /// Video.
    pub video: bool,
}

/// Parses `onMetaData` (AMF0: the name, then the values). `None` if it announces no track: such metadata
/// tells nothing about tracks, and they become known by their frames.
pub fn announced(metadata: &Frame) -> Option<Announced> {
    if metadata.codec != Codec::Amf0 {
        return None;
    }
    let values = amf0::decode_all(&metadata.payload).ok()?;
    let about = values.iter().find(|value| value.pairs().is_some())?;
    let promised = |codec: &str, has: &str| {
        about.get(codec).is_some_and(is_a_codec) || about.get(has).and_then(Value::as_bool) == Some(true)
    };
    let announced = Announced {
        audio: promised("audiocodecid", "hasAudio"),
        video: promised("videocodecid", "hasVideo"),
    };
    (announced.audio || announced.video).then_some(announced)
}

/// A number other than 0, or a name: FFmpeg writes 0 for a missing track, others leave it out.
fn is_a_codec(value: &Value) -> bool {
    value.as_number().is_some_and(|id| id != 0.0) || value.as_str().is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::frame::{FrameKind, Track};
    use crate::media::timestamp::Timestamp;
    use bytes::{Bytes, BytesMut};

    fn frame(payload: Bytes) -> Frame {
        super::super::codes::frame(Track::DATA, Codec::Amf0, FrameKind::Metadata, Timestamp::ZERO, payload)
    }

    fn metadata(pairs: Vec<(&str, Value)>) -> Frame {
        let mut bytes = BytesMut::new();
        amf0::encode_all(&[Value::String("onMetaData".to_owned()), Value::ecma_array(pairs)], &mut bytes);
        frame(bytes.freeze())
    }

    #[test]
    fn codec_ids_announce_tracks() {
        let both =
            metadata(vec![("videocodecid", Value::Number(7.0)), ("audiocodecid", Value::Number(10.0))]);
        assert_eq!(announced(&both), Some(Announced { audio: true, video: true }));
        let named = metadata(vec![("videocodecid", Value::String("avc1".to_owned()))]);
        assert_eq!(announced(&named), Some(Announced { audio: false, video: true }));
    }

    #[test]
    fn metadata_without_codecs_announces_nothing() {
        assert_eq!(announced(&metadata(vec![("title", Value::String("x".to_owned()))])), None);
        assert_eq!(announced(&frame(Bytes::from_static(b"\x02"))), None);
    }
}
