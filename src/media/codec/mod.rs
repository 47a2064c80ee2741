//! What decoder configurations and frame headers say about a track.
//!
//! Parsers here look, they never change bytes. All of them meet hostile input: none panics, loops
//! without bound or allocates by a length field.

use crate::media::frame::Codec;
use thiserror::Error;

/// What a configuration says about its track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Params {
    /// Pictures.
    Video(VideoParams),
    /// Sound.
    Audio(AudioParams),
}

/// What is known about a video track.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct VideoParams {
    /// Width to show, in pixels, after cropping.
    pub width: u32,
    /// Height to show, in pixels, after cropping.
    pub height: u32,
    /// Frames per thousand seconds, if the configuration tells (25 fps = 25 000).
    pub fps_milli: Option<u32>,
    /// Name of the profile as people know it: `High`, `Main 10`, `Main`.
    pub profile: String,
    /// Level as people write it: `3.1`, `4.1`, `5.0`.
    pub level: String,
    /// The codec string for playlists and Media Source (RFC 6381): `avc1.64001f`, `hvc1.1.6.L93.B0`.
    pub rfc6381: String,
}

/// What is known about an audio track.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AudioParams {
    /// Samples per second of the decoder's output.
    pub sample_rate: u32,
    /// Channels of the decoder's output.
    pub channels: u8,
    /// Name of the profile: `LC`, `HE`, `HEv2`; empty where there is none.
    pub profile: String,
    /// Samples per frame where the codec fixes it (AAC: 1024 or 960, MP3: 1152 or 576).
    pub frame_samples: Option<u32>,
    /// The codec string for playlists and Media Source (RFC 6381): `mp4a.40.2`, `opus`.
    pub rfc6381: String,
}

/// Why a configuration could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// It ends before it is complete.
    #[error("{codec:?} configuration is truncated")]
    Truncated {
        /// Whose.
        codec: Codec,
    },
    /// A value that the specification does not allow, or a size beyond all reason.
    #[error("{codec:?} configuration: {what}")]
    Invalid {
        /// Whose.
        codec: Codec,
        /// What was wrong.
        what: &'static str,
    },
}
