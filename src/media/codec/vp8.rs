//! VP8: the frame tag and the key frame header (RFC 6386, 9.1).
//!
//! In: a frame. Out: whether it is a keyframe, and the picture size of a keyframe.

use super::{VideoParams, side, vpcc};
use crate::media::frame::Codec;

/// True if the frame is a keyframe.
pub fn is_key(payload: &[u8]) -> bool {
    payload.first().is_some_and(|tag| tag & 1 == 0)
}

/// Parameters from a keyframe; `None` for other frames. VP8 has no levels: the one in the codec string is
/// that of VP9 for such pictures.
pub fn frame_params(payload: &[u8]) -> Option<VideoParams> {
    // The tag has 24 bits, lowest first: key frame, version, show_frame, size of the first partition.
    let [tag, _, _, 0x9d, 0x01, 0x2a, width_low, width_high, height_low, height_high, ..] = *payload else {
        return None;
    };
    if !is_key(payload) {
        return None;
    }
    // The upper two bits of both are a scaling hint, which players ignore.
    let width = u16::from_le_bytes([width_low, width_high]) & 0x3fff;
    let height = u16::from_le_bytes([height_low, height_high]) & 0x3fff;
    let (width, height) = (side(width.into(), 0).ok()?, side(height.into(), 0).ok()?);
    let level = vpcc::level_by_size(width, height);
    let version = tag >> 1 & 7;
    Some(VideoParams { width, height, level: String::new(), ..vpcc::describe(Codec::Vp8, version, level, 8) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// The first bytes of a stream by libvpx, 642 x 362.
    const BY_LIBVPX: &str = "10b4009d012a82026a0100c708858588";

    #[test]
    fn key_frames_tell_their_size() {
        assert!(is_key(&unhex(BY_LIBVPX)));
        let expected = VideoParams {
            width: 642,
            height: 362,
            fps_milli: None,
            profile: "Profile 0".to_owned(),
            level: String::new(),
            rfc6381: "vp08.00.21.08".to_owned(),
        };
        assert_eq!(frame_params(&unhex(BY_LIBVPX)), Some(expected));
    }

    #[test]
    fn scaling_is_not_size() {
        let read = frame_params(&unhex("10b4009d012a82426a81")).unwrap();
        assert_eq!((read.width, read.height), (642, 362));
    }

    #[test]
    fn other_frames_tell_nothing() {
        assert!(!is_key(&unhex("b10200")));
        assert!(!is_key(&[]));
        // An inter frame that looks like one, no start code, no width, too short.
        for hex in
            ["11b4009d012a82026a01", "10b4009d012b82026a01", "10b4009d012a00006a01", "10b4009d012a82026a"]
        {
            assert_eq!(frame_params(&unhex(hex)), None, "{hex}");
        }
    }

    #[test]
    fn hostile_frames_never_panic() {
        never_panics(&[&unhex(BY_LIBVPX)], |bytes| {
            frame_params(bytes);
        });
    }
}
