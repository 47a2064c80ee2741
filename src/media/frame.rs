//! Frames: a coded picture, a block of audio, a decoder configuration or a data message.
//!
//! A frame belongs to no protocol: its payload is a sample as the codec's specification defines it, without
//! the framing of any container, and shared (`Bytes`) from the socket that it came from to all that it goes
//! to.

use crate::media::timestamp::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrackKind {
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// AMF0 messages: metadata, cue points, captions.
    Data,
}

/// A track of a stream: its kind, and its number within the kind (0 unless the publisher sends several).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Track {
    /// Kind.
    pub kind: TrackKind,
    /// The enhanced-RTMP track id; 0 for the default track.
    pub id: u8,
}

impl Track {
    /// The default video track.
    pub const VIDEO: Track = Track { kind: TrackKind::Video, id: 0 };
    /// The default audio track.
    pub const AUDIO: Track = Track { kind: TrackKind::Audio, id: 0 };
    /// The data track.
    pub const DATA: Track = Track { kind: TrackKind::Data, id: 0 };
}

/// Codec of a track, and thereby the form of its payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// Length-prefixed NAL units; configuration: AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3).
    H264,
    /// Length-prefixed NAL units; configuration: HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3).
    H265,
    /// OBUs of one temporal unit as they came, FFmpeg's with a temporal delimiter, OBS's without;
    /// configuration: AV1CodecConfigurationRecord (AV1-ISOBMFF 2.3).
    Av1,
    /// A VP8 frame; configuration: VPCodecConfigurationRecord (VP-ISOBMFF), no version and flags.
    Vp8,
    /// A VP9 frame or superframe; configuration: as for VP8.
    Vp9,
    /// A raw AAC access unit; configuration: AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
    Aac,
    /// An MPEG-1/2 layer III frame with its header; no configuration.
    Mp3,
    /// An Opus packet; configuration: OpusHead (RFC 7845, 5.1).
    Opus,
    /// A FLAC frame; configuration: `fLaC` marker and STREAMINFO block with its header (RFC 9639, 8).
    Flac,
    /// An AC-3 sync frame; no configuration.
    Ac3,
    /// An E-AC-3 sync frame; no configuration.
    Eac3,
    /// A legacy FLV video codec by its id (2 Sorenson H.263, 3 Screen, 4 VP6, ...): relayed, never parsed.
    FlvVideo(u8),
    /// A legacy FLV audio codec by its id (7 G.711 A, 8 G.711 mu, 11 Speex, ...): relayed, never parsed.
    FlvAudio(u8),
    /// AMF0 values: the name of the message, then its arguments.
    Amf0,
}

/// Purpose of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrameKind {
    /// Decoder configuration of its track (a "sequence header"); its form depends on the codec.
    Config,
    /// A random access point: decoding can start here. Every audio frame is one.
    Key,
    /// Depends on frames before it.
    Inter,
    /// `onMetaData` of the publisher (data track): describes the stream, kept for players that join later.
    Metadata,
    /// Any other message of the data track.
    Message,
    /// More about a track than its configuration says, relayed unchanged (enhanced RTMP): colour and HDR of a
    /// video track (`Metadata` packet, AMF0), speakers of an audio track (`MultichannelConfig` packet).
    VideoInfo,
    /// The publisher ends the track.
    End,
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$frame")]
pub struct Frame {
    /// Track.
    pub track: Track,
    /// Codec.
    pub codec: Codec,
    /// Purpose.
    pub kind: FrameKind,
    /// Low four bits of a legacy FLV audio header (rate, size, channels) as received; used for [`Codec::Mp3`]
    /// and [`Codec::FlvAudio`] only.
    pub sound: u8,
    /// Decoding time.
    pub dts: Timestamp,
    /// Composition time offset in microseconds: presentation time minus `dts`; not negative (I10).
    pub cts: i32,
    /// Payload, in the form that [`Codec`] says.
    pub payload: Bytes,
}

impl Frame {
    /// Presentation time.
    pub fn pts(&self) -> Timestamp {
        self.dts + i64::from(self.cts)
    }

    /// True for coded video and audio.
    pub fn is_media(&self) -> bool {
        matches!(self.kind, FrameKind::Key | FrameKind::Inter)
    }

    /// True for a video keyframe.
    pub fn is_video_key(&self) -> bool {
        self.track.kind == TrackKind::Video && self.kind == FrameKind::Key
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}{} {:?} {:?} dts={:?} cts={}us {} bytes",
            self.track.kind,
            self.track.id,
            self.codec,
            self.kind,
            self.dts,
            self.cts,
            self.payload.len()
        )
    }
}
