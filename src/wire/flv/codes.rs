//! The numbers of the format: tags, codecs, frame and packet types; and how parsers take bytes.

use super::error::FlvError;
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::Bytes;

/// Types of FLV tags, which are those of RTMP messages too.
pub mod tag {
    /// Audio.
    pub const AUDIO: u8 = 8;
    /// Video.
    pub const VIDEO: u8 = 9;
    /// AMF0 values: script data in FLV, a data message in RTMP.
    pub const DATA: u8 = 18;
}

/// The tag (and RTMP message) type of frames of this kind.
pub fn tag_type(kind: TrackKind) -> u8 {
    match kind {
        TrackKind::Audio => tag::AUDIO,
        TrackKind::Video => tag::VIDEO,
        TrackKind::Data => tag::DATA,
    }
}

/// The FourCC of a codec; `None` for codecs without one.
pub fn fourcc(codec: Codec) -> Option<[u8; 4]> {
    let mut known = VIDEO_FOURCCS.iter().chain(AUDIO_FOURCCS);
    known.find(|(_, known)| *known == codec).map(|(fourcc, _)| **fourcc)
}

/// The codec of a FourCC, if it is one for `kind`.
pub(super) fn codec_of(fourcc: [u8; 4], kind: TrackKind) -> Result<Codec, FlvError> {
    let known = if kind == TrackKind::Video { VIDEO_FOURCCS } else { AUDIO_FOURCCS };
    let found = known.iter().find(|(known, _)| **known == fourcc);
    found.map(|(_, codec)| *codec).ok_or(FlvError::FourCc(fourcc))
}

/// E-RTMP, VideoFourCc.
pub(super) const VIDEO_FOURCCS: &[(&[u8; 4], Codec)] = &[
    (b"avc1", Codec::H264),
    (b"hvc1", Codec::H265),
    (b"av01", Codec::Av1),
    (b"vp08", Codec::Vp8),
    (b"vp09", Codec::Vp9),
];

/// E-RTMP, AudioFourCc.
pub(super) const AUDIO_FOURCCS: &[(&[u8; 4], Codec)] = &[
    (b"mp4a", Codec::Aac),
    (b".mp3", Codec::Mp3),
    (b"Opus", Codec::Opus),
    (b"fLaC", Codec::Flac),
    (b"ac-3", Codec::Ac3),
    (b"ec-3", Codec::Eac3),
];

/// Sound format (high nibble of an audio body's first byte) and video codec id (low nibble of a video body's
/// first byte) of the supported codecs.
pub(super) mod legacy {
    pub const AVC: u8 = 7;
    /// Not in the specification; used by Chinese encoders and CDNs before enhanced RTMP.
    pub const HEVC: u8 = 12;
    pub const MP3: u8 = 2;
    pub const EX_HEADER: u8 = 9;
    pub const AAC: u8 = 10;
    /// MP3 at 8 kHz, which the two bits for the rate cannot express.
    pub const MP3_8K: u8 = 14;
}

/// Frame types (high nibble, or bits 6 to 4, of a video body's first byte).
pub(super) mod frame_type {
    pub const KEY: u8 = 1;
    pub const INTER: u8 = 2;
    pub const GENERATED_KEY: u8 = 4;
    pub const COMMAND: u8 = 5;
}

/// Packet types of AVC (annex E.4.3.1), which AAC shares as far as it has them, and of E-RTMP.
pub(super) mod packet {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const SEQUENCE_END: u8 = 2;
    /// Coded frames without a composition time (video).
    pub const CODED_FRAMES_X: u8 = 3;
    pub const VIDEO_METADATA: u8 = 4;
    pub const AUDIO_MULTICHANNEL_CONFIG: u8 = 4;
    pub const VIDEO_MPEG2TS_SEQUENCE_START: u8 = 5;
    pub const AUDIO_MULTITRACK: u8 = 5;
    pub const VIDEO_MULTITRACK: u8 = 6;
    pub const MOD_EX: u8 = 7;
}

/// Sound bits of MP3 that came without any: 44.1 kHz, 16 bit, stereo.
pub(super) const SOUND_DEFAULT: u8 = 0b1111;

pub(super) fn frame(track: Track, codec: Codec, kind: FrameKind, dts: Timestamp, payload: Bytes) -> Frame {
    let sound = if codec == Codec::Mp3 { SOUND_DEFAULT } else { 0 };
    Frame { track, codec, kind, sound, dts, cts: 0, payload }
}

/// Takes the first `len` bytes.
pub(super) fn take(bytes: &mut Bytes, len: usize) -> Result<Bytes, FlvError> {
    if bytes.len() < len { Err(FlvError::Truncated) } else { Ok(bytes.split_to(len)) }
}

/// Takes the first `N` bytes.
pub(super) fn take_array<const N: usize>(bytes: &mut Bytes) -> Result<[u8; N], FlvError> {
    let array = *bytes.first_chunk().ok_or(FlvError::Truncated)?;
    let _ = bytes.split_to(N);
    Ok(array)
}

pub(super) fn u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}
