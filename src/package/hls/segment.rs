//! One segment: first open, a row of frames; then closed, a file.
//!
//! A closed segment is made of parts, in order. Today there is one part a segment; partial segments
//! (LL-HLS) are more of them, closed while the segment is still open.

use crate::media::frame::{Frame, TrackKind};
use crate::media::timestamp::Timestamp;
use crate::wire::m3u8::{Entry, HlsFile};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a held frame costs besides its payload, in bytes, generously: so that a flood of empty frames is
/// bounded by the same limit as a flood of bytes.
const FRAME_COST_BYTES: usize = 256;

/// How long a frame lasts if it is the only one of its track, in microseconds.
const STEP_US: i64 = 40_000;

/// A segment that still takes frames.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Its frames in order of arrival; at least one.
    pub frames: Vec<Frame>,
    /// Payload and overhead of the frames, in bytes.
    pub bytes: usize,
    /// True if it continues nothing before it.
    pub discontinuity: bool,
    /// True if its video begins with a keyframe, or if it has none.
    pub independent: bool,
    /// Distances between its video keyframes so far, shortest and longest, in microseconds.
    pub gops_us: Option<(i64, i64)>,
    last_key: Option<Timestamp>,
    tails: BTreeMap<TrackKind, Tail>,
}

/// The end of what a segment has of one kind of track.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tail {
    last: Timestamp,
    /// From the frame before to the last one, in microseconds.
    step_us: i64,
}

impl Open {
    /// A segment that begins with `first`.
    pub fn new(first: Frame, discontinuity: bool, independent: bool) -> Open {
        let mut open = Open {
            frames: Vec::new(),
            bytes: 0,
            discontinuity,
            independent,
            gops_us: None,
            last_key: None,
            tails: BTreeMap::new(),
        };
        open.push(first);
        open
    }

    /// Takes one more frame.
    pub fn push(&mut self, frame: Frame) {
        if frame.is_video_key() {
            self.mark_key(frame.dts);
        }
        let tail = self.tails.entry(frame.track.kind);
        tail.and_modify(|tail| {
            tail.step_us = (frame.dts - tail.last).clamp(0, 10 * STEP_US);
            tail.last = tail.last.max(frame.dts);
        })
        .or_insert(Tail { last: frame.dts, step_us: STEP_US });
        self.bytes += cost(&frame);
        self.frames.push(frame);
    }

    /// A video keyframe is at `dts`, in this segment or right after it.
    pub fn mark_key(&mut self, dts: Timestamp) {
        if let Some(last) = self.last_key.replace(dts) {
            let gop_us = dts - last;
            let (shortest, longest) = self.gops_us.unwrap_or((gop_us, gop_us));
            self.gops_us = Some((shortest.min(gop_us), longest.max(gop_us)));
        }
    }

    /// When its first frame is decoded.
    pub fn start(&self) -> Timestamp {
        self.frames[0].dts
    }

    /// When its content ends: where the next frame is to be expected, judged by those before.
    pub fn end(&self) -> Timestamp {
        self.tails.values().map(|tail| tail.last + tail.step_us).max().unwrap_or(self.start())
    }

    /// The longest wait for a frame that is to be expected, in microseconds.
    pub fn step_us(&self) -> i64 {
        let video = self.tails.get(&TrackKind::Video).or(self.tails.get(&TrackKind::Audio));
        video.map_or(STEP_US, |tail| tail.step_us)
    }
}

/// What holding `frame` costs, in bytes.
pub fn cost(frame: &Frame) -> usize {
    frame.payload.len() + FRAME_COST_BYTES
}

/// A segment that is complete and never changes again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// Its line in the playlist, and its file.
    pub entry: Entry,
    /// Its content, in order.
    pub parts: Vec<Part>,
    /// The initialisation section that it needs; fragmented MP4 only.
    pub init: Option<Arc<Init>>,
    /// The key that it is encrypted with.
    pub key: Option<Arc<KeyFile>>,
    /// How many pictures it has, if it lasts exactly as long as they do.
    pub pictures: Option<usize>,
}

/// A piece of a segment that could be fetched by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its content, in shared pieces.
    pub body: Vec<Bytes>,
}

/// An initialisation section.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// Its number; never used for another content, not even after a restart.
    pub number: u64,
    /// Its content.
    pub body: Bytes,
}

impl Init {
    /// Its file.
    pub fn file(&self) -> HlsFile {
        HlsFile::Init(self.number)
    }
}

/// A key and its file.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// Its number; never used for another key, not even after a restart.
    pub number: u64,
    /// The key.
    pub bytes: [u8; 16],
}

impl KeyFile {
    /// Its file.
    pub fn file(&self) -> HlsFile {
        HlsFile::Key(self.number)
    }
}

/// Never shows the key.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file())
    }
}

impl Segment {
    /// Its content, in shared pieces.
    pub fn body(&self) -> Vec<Bytes> {
        self.parts.iter().flat_map(|part| part.body.iter().cloned()).collect()
    }

    /// Length of its content in bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().flat_map(|part| &part.body).map(Bytes::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyFile;

    #[test]
    fn a_key_is_never_shown() {
        let key = KeyFile { number: 1, bytes: [0xab; 16] };
        assert_eq!(format!("{key:?}"), "key-1.key");
    }
}
