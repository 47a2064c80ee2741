//! One coded picture, one block of sound, one decoder configuration or one message of data.
//!
//! A frame belongs to no protocol: its payload is what the codec's specification calls a sample, free of
//! any container's framing, and shared (`Bytes`) from the socket that it came from to all that it goes to.

use crate::media::timestamp::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// AMF0 messages: metadata, cue points, captions.
    Data,
}

/// A track of a stream: its kind and its number within that kind (0 unless the publisher sends several).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Track {
    /// Pictures, sound or data.
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

/// How a payload is coded, and thereby what its bytes are.
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
    /// A legacy FLV video codec by its id (2 Sorenson H.263, 3 Screen, 4 VP6, ...): carried, not understood.
    FlvVideo(u8),
    /// A legacy FLV audio codec by its id (7 G.711 A, 8 G.711 mu, 11 Speex, ...): carried, not understood.
    FlvAudio(u8),
    /// AMF0 values: the name of the message, then its arguments.
    Amf0,
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrameKind {
    /// The decoder configuration of its track (a "sequence header"); its form depends on the codec.
    Config,
    /// Decoding may begin here. Every audio frame is one.
    Key,
    /// Needs frames before it.
    Inter,
    /// `onMetaData` of the publisher (data track): describes the stream, kept for late joiners.
    Metadata,
    /// Any other message of the data track.
    Message,
    /// More about a track than its configuration says, relayed as it came (enhanced RTMP): colour and HDR of
    /// a video track (`Metadata` packet, AMF0), speakers of an audio track (`MultichannelConfig` packet).
    VideoInfo,
    /// The publisher says that its track ends here.
    End,
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Which track it belongs to.
    pub track: Track,
    /// How its payload is coded.
    pub codec: Codec,
    /// What it is for.
    pub kind: FrameKind,
    /// Low four bits of a legacy FLV audio header (rate, size, channels) as the publisher sent them;
    /// means something for [`Codec::Mp3`] and [`Codec::FlvAudio`] only.
    pub sound: u8,
    /// When it is decoded.
    pub dts: Timestamp,
    /// How much later than `dts` it is shown, in microseconds; not negative (I10).
    pub cts: i32,
    /// The bytes, as [`Codec`] says.
    pub payload: Bytes,
}

impl Frame {
    /// When it is shown.
    pub fn pts(&self) -> Timestamp {
        self.dts + i64::from(self.cts)
    }

    /// True for coded pictures and sound.
    pub fn is_media(&self) -> bool {
        matches!(self.kind, FrameKind::Key | FrameKind::Inter)
    }

    /// True for a picture that decoding may begin at.
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
