//! Parses decoder configurations and frame headers.
//!
//! In: bytes of publishers, which may be hostile. Out: parameters of tracks. Never: changes bytes, panics,
//! loops without bound, or allocates by a length field.

pub mod aac;
pub mod ac3;
pub mod annexb;
pub mod av1;
pub(crate) mod bits;
mod error;
pub mod flac;
pub mod h264;
pub mod h265;
pub mod mp3;
pub mod nal;
pub mod opus;
mod parameter_sets;
#[cfg(test)]
mod testing;
pub mod vp8;
pub mod vp9;
pub mod vpcc;

pub use error::CodecError;
pub use parameter_sets::ParameterSets;

use crate::media::frame::Codec;
use bits::Fault;
use serde::{Deserialize, Serialize};

/// Parses the configuration of a track. VP8 and VP9 never tell the picture size there, AV1 not always: it is
/// 0 x 0 then, and [`parse_frame`] finds it in keyframes.
///
/// # Errors
///
/// If the configuration is malformed, or the codec has none.
pub fn parse_config(codec: Codec, config: &[u8]) -> Result<Params, CodecError> {
    match codec {
        Codec::H264 => h264::params(config).map(Params::Video),
        Codec::H265 => h265::params(config).map(Params::Video),
        Codec::Av1 => av1::params(config).map(Params::Video),
        Codec::Vp8 | Codec::Vp9 => vpcc::params(codec, config).map(Params::Video),
        Codec::Aac => aac::params(config).map(Params::Audio),
        Codec::Opus => opus::params(config).map(Params::Audio),
        Codec::Flac => flac::params(config).map(Params::Audio),
        Codec::Mp3 | Codec::Ac3 | Codec::Eac3 => Err(CodecError::Absent { codec }),
        Codec::FlvVideo(_) | Codec::FlvAudio(_) | Codec::Amf0 => Err(CodecError::Absent { codec }),
    }
}

/// Parses parameters of a track from a frame, for codecs whose frames tell them: MP3, AC-3 and E-AC-3 always,
/// VP8 and VP9 in keyframes, AV1 where a temporal unit has a sequence header.
pub fn parse_frame(codec: Codec, payload: &[u8]) -> Option<Params> {
    match codec {
        Codec::Av1 => av1::frame_params(payload).map(Params::Video),
        Codec::Vp8 => vp8::frame_params(payload).map(Params::Video),
        Codec::Vp9 => vp9::frame_params(payload).map(Params::Video),
        Codec::Mp3 => mp3::frame_params(payload).map(Params::Audio),
        Codec::Ac3 | Codec::Eac3 => ac3::frame_params(codec, payload).map(Params::Audio),
        _ => None,
    }
}

/// Whether decoding can start at a frame, by its payload and not by what its sender claims; `None` if the
/// payload does not tell. `config` is the configuration in force, for the length of NAL unit lengths; four
/// bytes without.
pub fn is_key(codec: Codec, config: Option<&[u8]>, payload: &[u8]) -> Option<bool> {
    match codec {
        Codec::H264 => {
            let config = config.and_then(|config| h264::AvcConfig::parse(config).ok());
            Some(h264::is_idr(payload, config.map_or(4, |config| config.nal_length_size())))
        }
        Codec::H265 => {
            let config = config.and_then(|config| h265::HevcConfig::parse(config).ok());
            Some(h265::is_irap(payload, config.map_or(4, |config| config.nal_length_size())))
        }
        Codec::Av1 => Some(av1::is_key(payload)),
        Codec::Vp8 => Some(vp8::is_key(payload)),
        Codec::Vp9 => Some(vp9::is_key(payload)),
        Codec::Aac | Codec::Mp3 | Codec::Opus | Codec::Flac | Codec::Ac3 | Codec::Eac3 => Some(true),
        Codec::FlvAudio(_) => Some(true),
        Codec::FlvVideo(_) | Codec::Amf0 => None,
    }
}

impl Params {
    /// True if frames can tell nothing more.
    pub fn is_complete(&self) -> bool {
        !matches!(self, Params::Video(VideoParams { width: 0, .. }))
    }

    /// The same with the picture size that a frame told, if it was missing.
    pub fn completed(&self, by_frame: &Params) -> Params {
        match (self, by_frame) {
            (Params::Video(known), Params::Video(told)) if !self.is_complete() => {
                Params::Video(VideoParams { width: told.width, height: told.height, ..known.clone() })
            }
            _ => self.clone(),
        }
    }
}

impl Codec {
    /// Common name, as the HTTP API shows it.
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

/// Parameters of a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Params {
    /// Of a video track.
    Video(VideoParams),
    /// Of an audio track.
    Audio(AudioParams),
}

/// Parameters of a video track.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename = "$media")]
pub struct VideoParams {
    /// Width after cropping, in pixels; 0 if unknown.
    pub width: u32,
    /// Height after cropping, in pixels; 0 if unknown.
    pub height: u32,
    /// Frames per 1000 seconds, if known (25 fps = 25 000).
    pub fps_milli: Option<u32>,
    /// Common name of the profile: `High`, `Main 10`, `Main`.
    pub profile: String,
    /// Level: `3.1`, `4.1`, `5.0`.
    pub level: String,
    /// Codec string for playlists and Media Source (RFC 6381): `avc1.64001f`, `hvc1.1.6.L93.B0`.
    pub rfc6381: String,
}

/// Parameters of an audio track.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename = "$media")]
pub struct AudioParams {
    /// Sampling rate of the decoder's output, in Hz.
    pub sample_rate: u32,
    /// Channels of the decoder's output.
    pub channels: u8,
    /// Name of the profile: `LC`, `HE`, `HEv2`; empty if there is none.
    pub profile: String,
    /// Samples per frame and channel of the decoder's output, if the codec fixes it (AAC: 1024 or 960, with
    /// SBR 2048 or 1920; MP3: 1152 or 576).
    pub frame_samples: Option<u32>,
    /// Codec string for playlists and Media Source (RFC 6381): `mp4a.40.2`, `opus`.
    pub rfc6381: String,
}

/// Longest configuration that is parsed, in bytes. Real ones have tens of bytes, or a few thousand where an
/// encoder signs its work; longer ones would make callers slow that parse them once per frame.
const CONFIG_BYTES_MAX: usize = 64 * 1024;

fn believable_length(config: &[u8]) -> Result<(), Fault> {
    let too_long = config.len() > CONFIG_BYTES_MAX;
    if too_long { Err(Fault::Invalid("it is larger than 64 KiB")) } else { Ok(()) }
}

/// Largest side of a picture that is plausible, in pixels; the highest levels allow hardly more.
const SIDE_MAX: u64 = 16_384;

/// A side of a picture: `coded` pixels less `cropped` ones.
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

/// Highest frame rate that is plausible (H.264 A.3.4 and H.265 A.4.2 allow no more). A higher one is the
/// clock of a stream with variable rate, not a rate.
const FPS_MAX: u64 = 300;

/// Frames per 1000 seconds, if `frames` in `seconds` is a plausible rate.
fn fps_milli(frames: u32, seconds: u64) -> Option<u32> {
    if frames == 0 || seconds == 0 {
        return None;
    }
    let milli = (u64::from(frames) * 1000 + seconds / 2) / seconds;
    u32::try_from(milli).ok().filter(|&milli| milli > 0 && u64::from(milli) <= FPS_MAX * 1000)
}

#[cfg(test)]
mod tests {
    use super::testing::{never_panics, unhex};
    use super::*;

    fn video(params: Params) -> VideoParams {
        match params {
            Params::Video(params) => params,
            other => panic!("not video: {other:?}"),
        }
    }

    #[test]
    fn every_codec_finds_its_parser() {
        let configs = [
            (Codec::H264, "0142d00bffe100166742d00bda05067e7c04400000fa40003a9803c489a801000568ce0f2c80"),
            (Codec::Av1, "81010c000a0b0000000cc4ff6700be0010"),
            (Codec::Vp9, "0015820202020000"),
            (Codec::Aac, "1210"),
            (Codec::Opus, "4f707573486561640102380180bb0000000000"),
        ];
        let names = configs.map(|(codec, hex)| match parse_config(codec, &unhex(hex)).unwrap() {
            Params::Video(video) => video.rfc6381,
            Params::Audio(audio) => audio.rfc6381,
        });
        assert_eq!(names, ["avc1.42d00b", "av01.0.01M.08", "vp09.00.21.08", "mp4a.40.2", "opus"]);
        let absent = parse_config(Codec::Mp3, &unhex("fffb9064")).unwrap_err();
        assert_eq!(absent.to_string(), "MP3 has no configuration");
    }

    #[test]
    fn frames_tell_what_configurations_leave_out() {
        let key = unhex("8249834200281016960638241c184a10");
        // The configuration says level 3.0, the frame is small enough for 2.1.
        let config = parse_config(Codec::Vp9, &unhex("001e820202020000")).unwrap();
        assert!(!config.is_complete());
        let frame = parse_frame(Codec::Vp9, &key).unwrap();
        let completed = config.completed(&frame);
        assert!(completed.is_complete());
        assert_eq!(completed.completed(&config), completed);
        let completed = video(completed);
        assert_eq!((completed.width, completed.height), (642, 362));
        assert_eq!(completed.rfc6381, "vp09.00.30.08");
        assert_eq!(parse_frame(Codec::H264, &key), None);
    }

    #[test]
    fn a_key_frame_is_known_by_its_bytes() {
        // NAL lengths of two bytes, as the configuration says.
        let config = unhex("0142d00bfde100166742d00bda05067e7c04400000fa40003a9803c489a801000568ce0f2c80");
        let idr = [0, 2, 0x65, 0x88];
        assert_eq!(is_key(Codec::H264, Some(&config), &idr), Some(true));
        assert_eq!(is_key(Codec::H264, None, &idr), Some(false));
        assert_eq!(is_key(Codec::H264, None, &[0, 0, 0, 2, 0x65, 0x88]), Some(true));
        assert_eq!(is_key(Codec::H265, None, &[0, 0, 0, 3, 0x26, 1, 0xaf]), Some(true));
        assert_eq!(is_key(Codec::Aac, None, &[]), Some(true));
        assert_eq!(is_key(Codec::FlvVideo(2), None, &[]), None);
    }

    #[test]
    fn sizes_and_rates_beyond_reason_are_not_believed() {
        assert_eq!(side(1088, 8), Ok(1080));
        assert_eq!(side(16_384, 0), Ok(16_384));
        assert!(side(16_385, 1).is_err());
        assert!(side(16, 16).is_err());
        assert!(side(16, u64::MAX).is_err());
        assert_eq!(fps_milli(30_000, 1001), Some(29_970));
        assert_eq!(fps_milli(300, 1), Some(300_000));
        assert_eq!(fps_milli(301, 1), None);
        assert_eq!(fps_milli(u32::MAX, 1), None);
        assert_eq!(fps_milli(1, u64::MAX), None);
        assert_eq!(fps_milli(0, 1), None);
        assert_eq!(fps_milli(1, 0), None);
    }

    #[test]
    fn no_codec_panics_at_what_is_meant_for_another() {
        let codecs = [
            Codec::H264,
            Codec::H265,
            Codec::Av1,
            Codec::Vp8,
            Codec::Vp9,
            Codec::Aac,
            Codec::Mp3,
            Codec::Opus,
            Codec::Flac,
            Codec::Ac3,
            Codec::Eac3,
            Codec::FlvVideo(2),
            Codec::FlvAudio(11),
            Codec::Amf0,
        ];
        let seeds = [
            unhex("0142d00bffe100166742d00bda05067e7c04400000fa40003a9803c489a801000568ce0f2c80"),
            unhex("81010c000a0b0000000cc4ff6700be0010"),
        ];
        never_panics(&[&seeds[0], &seeds[1]], |bytes| {
            for codec in codecs {
                let _ = parse_config(codec, bytes);
                parse_frame(codec, bytes);
                is_key(codec, Some(bytes), bytes);
            }
        });
    }
}
