//! Elementary streams: how the frames of each codec are stored in a transport stream, and how the PMT lists
//! them.
//!
//! In: what is known about a track, then its frames. Out: table entries, and the bytes of each access unit in
//! pieces. Never: copies a payload.

use super::psi::{Stream, registration};
use crate::media::codec::aac::{AacConfig, adts_header};
use crate::media::codec::h264::{self, AvcConfig};
use crate::media::codec::h265::{self, HevcConfig};
use crate::media::codec::nal::nals;
use crate::media::codec::opus::OpusHead;
use crate::media::codec::{CodecError, Params};
use crate::media::frame::{Codec, Frame, Track, TrackKind};
use crate::media::stream_info::TrackInfo;
use serde::{Deserialize, Serialize};

/// Mapping of one track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Es {
    /// H.264 as a byte stream (Rec. ITU-T H.264, Annex B).
    H264(ByteStream),
    /// H.265 as a byte stream (Rec. ITU-T H.265, Annex B).
    H265(ByteStream),
    /// AAC with an ADTS header before each frame.
    Aac(AacConfig),
    /// MP3 by its sampling rate: MPEG-2 audio below 32 kHz.
    Mp3 {
        /// Below 32 kHz.
        low_rate: bool,
    },
    /// AC-3.
    Ac3,
    /// E-AC-3.
    Eac3,
    /// Opus with a control header before each packet (ETSI TS 103 491; the Opus-in-MPEG-TS draft).
    Opus {
        /// Channels and their order (channel_config_code).
        channels: u8,
    },
}

/// What is needed to turn samples into a byte stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteStream {
    /// Length of the length field before each NAL unit of a sample, in bytes.
    length_size: u8,
    /// The parameter sets, with their start codes.
    parameter_sets: Vec<u8>,
}

impl Es {
    /// The mapping of a track; `None` if its codec has no place here, or its configuration is missing or
    /// cannot be expressed.
    pub fn new(info: &TrackInfo) -> Option<Es> {
        let config = info.config.as_ref().map(|config| &config.payload[..]);
        match info.codec {
            Codec::H264 => h264_stream(config?).ok().map(Es::H264),
            Codec::H265 => h265_stream(config?).ok().map(Es::H265),
            Codec::Aac => {
                let config = AacConfig::parse(config?).ok()?;
                adts_header(&config, 0).map(|_| Es::Aac(config))
            }
            Codec::Mp3 => Some(Es::Mp3 {
                low_rate: matches!(&info.params, Some(Params::Audio(audio)) if audio.sample_rate < 32_000),
            }),
            Codec::Ac3 => Some(Es::Ac3),
            Codec::Eac3 => Some(Es::Eac3),
            Codec::Opus => opus_channels(config?).map(|channels| Es::Opus { channels }),
            _ => None,
        }
    }

    /// The track's entry in the PMT.
    pub fn stream(&self, pid: u16) -> Stream {
        let (stream_type, descriptors) = match self {
            Es::H264(_) => (0x1b, Vec::new()),
            Es::H265(_) => (0x24, registration(*b"HEVC")),
            Es::Aac(_) => (0x0f, Vec::new()),
            Es::Mp3 { low_rate: false } => (0x03, Vec::new()),
            Es::Mp3 { low_rate: true } => (0x04, Vec::new()),
            // As in ATSC A/52; DVB's way (0x06 and descriptors) is unknown to HLS.
            Es::Ac3 => (0x81, registration(*b"AC-3")),
            Es::Eac3 => (0x87, registration(*b"EAC3")),
            Es::Opus { channels } => {
                let extension = [0x7f, 2, 0x80, *channels];
                (0x06, [registration(*b"Opus"), extension.to_vec()].concat())
            }
        };
        Stream { pid, stream_type, descriptors }
    }

    /// The stream id of the track's PES packets (ISO/IEC 13818-1, table 2-22).
    pub fn stream_id(&self, track: Track) -> u8 {
        match (track.kind, self) {
            (TrackKind::Video, _) => 0xe0 | (track.id & 0x0f),
            (_, Es::Aac(_) | Es::Mp3 { .. }) => 0xc0 | (track.id & 0x1f),
            _ => PRIVATE_STREAM_1,
        }
    }

    /// Passes the access unit of `frame` to `put`, piece by piece, the same in every call. Passes nothing if
    /// it cannot be expressed.
    pub fn access_unit(&self, frame: &Frame, put: &mut dyn FnMut(&[u8])) {
        match self {
            Es::H264(stream) => stream.h264(frame, put),
            Es::H265(stream) => stream.h265(frame, put),
            Es::Aac(config) => {
                if let Some(head) = adts_header(config, frame.payload.len()) {
                    put(&head);
                    put(&frame.payload);
                }
            }
            Es::Mp3 { .. } | Es::Ac3 | Es::Eac3 => put(&frame.payload),
            Es::Opus { .. } => {
                opus_control_header(frame.payload.len(), put);
                put(&frame.payload);
            }
        }
    }
}

const PRIVATE_STREAM_1: u8 = 0xbd;

/// Before the first NAL unit of an access unit and before parameter sets (Annex B, zero_byte).
const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Before every other NAL unit.
const START_CODE: [u8; 3] = [0, 0, 1];

/// An access unit delimiter that allows all slice types: H.264.
const H264_DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xf0];

/// An access unit delimiter that allows all slice types: H.265.
const H265_DELIMITER: [u8; 7] = [0, 0, 0, 1, 0x46, 0x01, 0x50];

impl ByteStream {
    fn new<'a>(length_size: u8, sets: impl Iterator<Item = &'a [u8]>) -> ByteStream {
        let parameter_sets =
            sets.filter(|set| !set.is_empty()).flat_map(|set| [&LONG_START_CODE, set].concat());
        ByteStream { length_size, parameter_sets: parameter_sets.collect() }
    }

    fn h264(&self, frame: &Frame, put: &mut dyn FnMut(&[u8])) {
        let types = || self.units(frame).map(h264::nal_type);
        let has_sets =
            || types().any(|kind| kind == h264::NAL_SPS) && types().any(|kind| kind == h264::NAL_PPS);
        let begins_with_delimiter = types().next() == Some(h264::NAL_AUD);
        let delimiter: &[u8] = if begins_with_delimiter { &[] } else { &H264_DELIMITER };
        let is_set = |nal: &[u8]| matches!(h264::nal_type(nal), h264::NAL_SPS | h264::NAL_PPS);
        self.write(frame, delimiter, frame.is_video_key() && !has_sets(), &is_set, put);
    }

    fn h265(&self, frame: &Frame, put: &mut dyn FnMut(&[u8])) {
        let types = || self.units(frame).map(h265::nal_type);
        let has_sets = || {
            [h265::NAL_VPS, h265::NAL_SPS, h265::NAL_PPS].iter().all(|set| types().any(|kind| kind == *set))
        };
        let begins_with_delimiter = types().next() == Some(h265::NAL_AUD);
        let delimiter: &[u8] = if begins_with_delimiter { &[] } else { &H265_DELIMITER };
        let is_set = |nal: &[u8]| (h265::NAL_VPS..=h265::NAL_PPS).contains(&h265::nal_type(nal));
        self.write(frame, delimiter, frame.is_video_key() && !has_sets(), &is_set, put);
    }

    /// The NAL units of a sample. A truncated one, and what follows it, is left out.
    fn units<'a>(&self, frame: &'a Frame) -> impl Iterator<Item = &'a [u8]> {
        nals(&frame.payload, self.length_size).map_while(Result::ok)
    }

    /// Delimiter, parameter sets where decoding can start, then the sample's own NAL units. A delimiter that
    /// the sample has itself stays before the parameter sets, as it must.
    fn write(
        &self,
        frame: &Frame,
        delimiter: &[u8],
        with_sets: bool,
        is_set: &dyn Fn(&[u8]) -> bool,
        put: &mut dyn FnMut(&[u8]),
    ) {
        let mut units = self.units(frame).peekable();
        if units.peek().is_none() {
            return;
        }
        if delimiter.is_empty() {
            put(&LONG_START_CODE);
            units.next().into_iter().for_each(&mut *put);
        } else {
            put(delimiter);
        }
        if with_sets {
            put(&self.parameter_sets);
        }
        for nal in units {
            put(if is_set(nal) { &LONG_START_CODE } else { &START_CODE });
            put(nal);
        }
    }
}

fn h264_stream(config: &[u8]) -> Result<ByteStream, CodecError> {
    let config = AvcConfig::parse(config)?;
    Ok(ByteStream::new(config.nal_length_size(), config.sps().chain(config.pps())))
}

fn h265_stream(config: &[u8]) -> Result<ByteStream, CodecError> {
    let config = HevcConfig::parse(config)?;
    let sets = config.vps().chain(config.sps()).chain(config.pps());
    Ok(ByteStream::new(config.nal_length_size(), sets))
}

/// The channel configuration of an OpusHead, where the format has a code for it: mono and stereo by the
/// simple mapping, up to eight channels in Vorbis order (RFC 7845, 5.1.1).
fn opus_channels(config: &[u8]) -> Option<u8> {
    let head = OpusHead::parse(config).ok()?;
    let has_code = head.mapping_family == 0 || head.mapping_family == 1 && head.channels <= 8;
    has_code.then_some(head.channels)
}

/// Prefix of eleven bits, no trimming, no extension; the packet's length as a sum of bytes, of which all
/// but the last are 255.
fn opus_control_header(len: usize, put: &mut dyn FnMut(&[u8])) {
    put(&[0x7f, 0xe0]);
    (0..len / 255).for_each(|_| put(&[0xff]));
    put(&[(len % 255) as u8]);
}
