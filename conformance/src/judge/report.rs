//! Numbers of a run as the judge saw it, for expectations and for checks of the API.

use crate::reader::flv::Codec;
use std::collections::BTreeMap;

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgeReport {
    /// By name.
    pub streams: BTreeMap<String, StreamReport>,
    /// All playbacks, in the order in which they were granted.
    pub plays: Vec<PlayReport>,
}

/// A stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamReport {
    /// Its publishers that were let in, one after the other.
    pub publishers: Vec<PublisherReport>,
}

/// What one publisher sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherReport {
    /// Its connection.
    pub conn_no: u32,
    /// Sound that counts.
    pub audio_frames: u64,
    /// Pictures that count: from the first keyframe on.
    pub video_frames: u64,
    /// Pictures before the first keyframe, and tracks past the limit.
    pub refused_frames: u64,
    /// Payload bytes of what counts.
    pub payload_bytes: u64,
}

/// One playback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayReport {
    /// Its connection.
    pub conn_no: u32,
    /// What was played.
    pub stream: String,
    /// How: `rtmp`, `flv`, `ws-flv`, `ts`, `aac`, `mp3`.
    pub format: &'static str,
    /// What came on each track.
    pub tracks: BTreeMap<(u8, u8), TrackReport>,
    /// Messages of data, metadata among them.
    pub data: u64,
    /// How often frames were left out.
    pub gaps: u64,
    /// How many frames were left out.
    pub missed: u64,
    /// Payload bytes of pictures and sound.
    pub payload_bytes: u64,
    /// A write was not taken whole.
    pub stalled: bool,
}

/// What a playback got of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackReport {
    /// How it is coded, as of its last frame.
    pub codec: Codec,
    /// How many frames came.
    pub frames: u64,
    /// How many of them were keyframes.
    pub keys: u64,
    /// How many configurations came.
    pub configs: u64,
    /// Decoding time of the first and of the last frame, in microseconds.
    pub dts_us: (i64, i64),
    /// All payloads in one number.
    pub hash: u64,
}
