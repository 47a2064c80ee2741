//! What decoder configurations and frame headers say about a track.
//!
//! Parsers here look, they never change bytes. All of them meet hostile input: none panics, loops
//! without bound or allocates by a length field.

pub mod aac;
pub(crate) mod bits;
pub mod h264;
pub mod h265;
pub mod nal;
mod sets;
#[cfg(test)]
mod testing;

pub use sets::ParameterSets;

use crate::media::frame::Codec;
use bits::Fault;
use thiserror::Error;

/// What the configuration of a track says.
pub fn parse_config(codec: Codec, config: &[u8]) -> Result<Params, CodecError> {
    match codec {
        Codec::H264 => h264::params(config).map(Params::Video),
        Codec::H265 => h265::params(config).map(Params::Video),
        Codec::Aac => aac::params(config).map(Params::Audio),
        _ => Err(Fault::Invalid("this codec has no configuration").of(codec)),
    }
}

impl Codec {
    /// The name as people know it and as the HTTP API shows it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "H264",
            Codec::H265 => "H265",
            Codec::Av1 => "AV1",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::Aac => "AAC",
            Codec::Mp3 => "MP3",
            Codec::Opus => "Opus",
            Codec::Flac => "FLAC",
            Codec::Ac3 => "AC3",
            Codec::Eac3 => "EAC3",
            Codec::FlvVideo(2) => "H263",
            Codec::FlvVideo(3 | 6) => "Screen",
            Codec::FlvVideo(4 | 5) => "VP6",
            Codec::FlvVideo(_) => "FLV video",
            Codec::FlvAudio(0 | 3) => "PCM",
            Codec::FlvAudio(1) => "ADPCM",
            Codec::FlvAudio(4..=6) => "Nellymoser",
            Codec::FlvAudio(7) => "PCMA",
            Codec::FlvAudio(8) => "PCMU",
            Codec::FlvAudio(11) => "Speex",
            Codec::FlvAudio(_) => "FLV audio",
            Codec::Amf0 => "AMF0",
        }
    }
}

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
    /// Samples per frame and channel of the decoder's output, where the codec fixes it (AAC: 1024 or 960, with
    /// SBR 2048 or 1920; MP3: 1152 or 576).
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

/// The longest side of a picture that is believed, in pixels: no level of any codec here allows more.
const SIDE_MAX: u64 = 16_384;

/// A side of a picture: `coded` pixels without `cropped` ones.
fn side(coded: u64, cropped: u64) -> Result<u32, Fault> {
    let too_large = Fault::Invalid("the picture is larger than 16384 pixels");
    if coded > SIDE_MAX {
        return Err(too_large);
    }
    match coded.checked_sub(cropped) {
        None | Some(0) => Err(Fault::Invalid("nothing is left of the picture after cropping")),
        Some(side) => u32::try_from(side).map_err(|_| too_large),
    }
}

/// The highest frame rate that is believed (H.264 A.3.4 and H.265 A.4.2 allow no more). Above it the clock
/// of a stream with variable rate was written down, not a rate.
const FPS_MAX: u64 = 300;

/// Frames per thousand seconds, if `frames` in `seconds` is a rate.
fn fps_milli(frames: u32, seconds: u64) -> Option<u32> {
    if frames == 0 || seconds == 0 {
        return None;
    }
    let milli = (u64::from(frames) * 1000 + seconds / 2) / seconds;
    u32::try_from(milli).ok().filter(|&milli| milli > 0 && u64::from(milli) <= FPS_MAX * 1000)
}
/// What the first frame of a codec without configuration says.
pub fn parse_frame(_: Codec, _: &[u8]) -> Option<Params> {
    None
}
