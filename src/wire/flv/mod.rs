//! FLV: what RTMP messages and the tags of an FLV file have in common, with the enhanced-RTMP extensions.
//!
//! ```text
//! FLV file   head, then tags:  type size timestamp  ┌──────┐  size of this tag
//! RTMP       message header    type size timestamp  │ body │
//!                                                   └──────┘
//! parse   body ──▶ frames: their payloads are slices of the body, nothing is copied
//! emit    frame ──▶ a few bytes of head (`Head`); head and payload together are the body
//! ```
//!
//! Sources: Adobe Flash Video File Format 10.1, annex E; Veovera Enhanced RTMP v1 and v2 ("E-RTMP").
//! Nothing here keeps state: every body says by itself what it is.

mod audio;
mod data;
mod emit;
mod enhanced;
mod file;
mod video;

pub use audio::parse_audio;
pub use data::{METADATA_NAME, SERVER_NAME, parse_data};
pub use emit::{Head, body_head, emit};
pub use file::{BODY_BYTES_MAX, FILE_HEAD_BYTES, FileHead, TAG_HEAD_BYTES, TagHead, put_tag, tag_bytes};
pub use video::parse_video;

use super::amf_reader::AmfError;
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::Bytes;
use thiserror::Error;

/// What a tag holds, by the numbers of FLV tags and RTMP messages.
pub mod tag {
    /// Sound.
    pub const AUDIO: u8 = 8;
    /// Pictures.
    pub const VIDEO: u8 = 9;
    /// AMF0 values: script data in FLV, a data message in RTMP.
    pub const DATA: u8 = 18;
}

/// Why a body is not what it should be. It concerns that body only: the next one may be sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlvError {
    /// It ends before it is complete.
    #[error("FLV body is truncated")]
    Truncated,
    /// A packet type that the specification does not have, or not for this codec.
    #[error("unknown packet type {0}")]
    PacketType(u8),
    /// A codec that we do not know.
    #[error("unknown codec {:?}", String::from_utf8_lossy(.0))]
    FourCc([u8; 4]),
    /// A kind of multitrack body that the specification does not have.
    #[error("unknown multitrack type {0}")]
    Multitrack(u8),
    /// More tracks in a body than there are track ids.
    #[error("too many tracks in a body")]
    TooManyTracks,
    /// A configuration that is not what its packet type says.
    #[error("not a valid {0}")]
    Config(&'static str),
    /// Script data that is not AMF0.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// An encrypted tag.
    #[error("the tag is encrypted")]
    Encrypted,
}

/// Reads a body of the given tag (or RTMP message) type. Appends what it holds to `frames`, which may be
/// nothing (empty bodies and commands to old players) or several frames (multitrack). On an error
/// nothing is appended. A type that holds no media is ignored.
pub fn parse(tag: u8, body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    match tag {
        tag::AUDIO => parse_audio(body, dts, frames),
        tag::VIDEO => parse_video(body, dts, frames),
        tag::DATA => parse_data(body, dts, frames),
        _ => Ok(()),
    }
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
fn codec_of(fourcc: [u8; 4], kind: TrackKind) -> Result<Codec, FlvError> {
    let known = if kind == TrackKind::Video { VIDEO_FOURCCS } else { AUDIO_FOURCCS };
    let found = known.iter().find(|(known, _)| **known == fourcc);
    found.map(|(_, codec)| *codec).ok_or(FlvError::FourCc(fourcc))
}

/// E-RTMP, VideoFourCc.
const VIDEO_FOURCCS: &[(&[u8; 4], Codec)] = &[
    (b"avc1", Codec::H264),
    (b"hvc1", Codec::H265),
    (b"av01", Codec::Av1),
    (b"vp08", Codec::Vp8),
    (b"vp09", Codec::Vp9),
];

/// E-RTMP, AudioFourCc.
const AUDIO_FOURCCS: &[(&[u8; 4], Codec)] = &[
    (b"mp4a", Codec::Aac),
    (b".mp3", Codec::Mp3),
    (b"Opus", Codec::Opus),
    (b"fLaC", Codec::Flac),
    (b"ac-3", Codec::Ac3),
    (b"ec-3", Codec::Eac3),
];

/// Sound format (high nibble of an audio body's first byte) and video codec id (low nibble of a video
/// body's first byte) of the codecs that we understand.
mod legacy {
    pub const AVC: u8 = 7;
    /// Not in the specification; used by Chinese encoders and CDNs before enhanced RTMP.
    pub const HEVC: u8 = 12;
    pub const MP3: u8 = 2;
    pub const EX_HEADER: u8 = 9;
    pub const AAC: u8 = 10;
    /// MP3 at 8 kHz, which the two bits for the rate cannot say.
    pub const MP3_8K: u8 = 14;
}

/// Frame types (high nibble, or bits 6 to 4, of a video body's first byte).
mod frame_type {
    pub const KEY: u8 = 1;
    pub const INTER: u8 = 2;
    pub const GENERATED_KEY: u8 = 4;
    pub const COMMAND: u8 = 5;
}

/// Packet types of AVC (annex E.4.3.1), which AAC shares as far as it has them, and of E-RTMP.
mod packet {
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
const SOUND_DEFAULT: u8 = 0b1111;

fn frame(track: Track, codec: Codec, kind: FrameKind, dts: Timestamp, payload: Bytes) -> Frame {
    let sound = if codec == Codec::Mp3 { SOUND_DEFAULT } else { 0 };
    Frame { track, codec, kind, sound, dts, cts: 0, payload }
}

/// Takes the first `len` bytes off.
fn take(bytes: &mut Bytes, len: usize) -> Result<Bytes, FlvError> {
    if bytes.len() < len { Err(FlvError::Truncated) } else { Ok(bytes.split_to(len)) }
}

/// Takes the first `N` bytes off.
fn take_array<const N: usize>(bytes: &mut Bytes) -> Result<[u8; N], FlvError> {
    let array = *bytes.first_chunk().ok_or(FlvError::Truncated)?;
    let _ = bytes.split_to(N);
    Ok(array)
}

fn u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
mod tests;
