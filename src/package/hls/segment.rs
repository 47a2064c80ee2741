//! One segment: first open, as frames; then closed, as a file.
//!
//! A closed segment consists of parts, in order. Today there is one part per segment; partial segments
//! (LL-HLS) would be several, closed while the segment is still open.

use crate::base::secret::Secret;
use crate::media::frame::{Frame, TrackKind};
use crate::media::timestamp::Timestamp;
use crate::wire::m3u8::{Entry, HlsFile};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Cost of holding a frame besides its payload, in bytes, generously, so that a flood of empty frames is
/// bounded by the same limit as a flood of bytes.
const FRAME_COST_BYTES: usize = 256;

/// Assumed duration of a frame that is the only one of its track, in microseconds.
const STEP_US: i64 = 40_000;

/// A segment that still takes frames.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Its frames in order of arrival; at least one.
    pub frames: Vec<Frame>,
    /// Cost of the frames, in bytes ([`cost`]).
    pub bytes: usize,
    /// True if it does not continue the segment before.
    pub discontinuity: bool,
    /// True if its video begins with a keyframe, or if it has none.
    pub independent: bool,
    /// Shortest and longest distance between its video keyframes so far, in microseconds.
    pub gops_us: Option<(i64, i64)>,
    last_key: Option<Timestamp>,
    tails: BTreeMap<TrackKind, Tail>,
}

/// The last frame of one kind of track.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tail {
    last: Timestamp,
    /// Distance from the frame before, in microseconds.
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

    /// Adds a frame.
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

    /// Takes the last frame out again.
    ///
    /// # Panics
    /// If it is the only one.
    pub fn pop(&mut self) -> Frame {
        assert!(self.frames.len() > 1, "a segment has a frame");
        let last = self.frames.pop().expect("it has several");
        self.bytes -= cost(&last);
        last
    }

    /// Notes a video keyframe at `dts`, in this segment or right after it. No effect if it was noted before.
    pub fn mark_key(&mut self, dts: Timestamp) {
        if let Some(last) = self.last_key.replace(dts).filter(|last| *last != dts) {
            let gop_us = dts - last;
            let (shortest, longest) = self.gops_us.unwrap_or((gop_us, gop_us));
            self.gops_us = Some((shortest.min(gop_us), longest.max(gop_us)));
        }
    }

    /// True if it has frames, and their size. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        !self.frames.is_empty() && self.bytes == self.frames.iter().map(cost).sum::<usize>()
    }

    /// Decoding time of its first frame.
    pub fn start(&self) -> Timestamp {
        self.frames[0].dts
    }

    /// Its last frame.
    pub fn last(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    /// Expected time of the next frame, judged by those before.
    pub fn end(&self) -> Timestamp {
        self.tails.values().map(|tail| tail.last + tail.step_us).max().unwrap_or(self.start())
    }

    /// Expected distance to the next frame, in microseconds.
    pub fn step_us(&self) -> i64 {
        let video = self.tails.get(&TrackKind::Video).or(self.tails.get(&TrackKind::Audio));
        video.map_or(STEP_US, |tail| tail.step_us)
    }
}

/// Cost of holding `frame`, in bytes.
pub fn cost(frame: &Frame) -> usize {
    frame.payload.len() + FRAME_COST_BYTES
}

/// A complete segment; never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// Its entry in the playlist, with its file.
    pub entry: Entry,
    /// Content, in order.
    pub parts: Vec<Part>,
    /// Initialisation section; fragmented MP4 only.
    pub init: Option<Arc<Init>>,
    /// The key that it is encrypted with.
    pub key: Option<Arc<KeyFile>>,
    /// Number of video frames, if its duration is exactly theirs; for the frame rate.
    pub pictures: Option<usize>,
}

/// A part of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename = "$media")]
pub struct Part {
    /// Content, in shared pieces.
    pub body: Vec<Bytes>,
}

/// An initialisation section.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "$media")]
pub struct Init {
    /// Number of its file; never reused for another content, not even after a restart.
    pub number: u64,
    /// Content.
    pub body: Bytes,
}

impl Init {
    /// The file that it is served as.
    pub fn file(&self) -> HlsFile {
        HlsFile::Init(self.number)
    }
}

/// A key and the number of its file.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// Number of its file; never reused for another key, not even after a restart.
    pub number: u64,
    /// The key.
    pub bytes: Secret<[u8; 16]>,
}

impl KeyFile {
    /// The file that it is served as.
    pub fn file(&self) -> HlsFile {
        HlsFile::Key(self.number)
    }
}

/// Shows the file, never the key.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file())
    }
}

impl Segment {
    /// Content, in shared pieces.
    pub fn body(&self) -> Vec<Bytes> {
        self.parts.iter().flat_map(|part| part.body.iter().cloned()).collect()
    }

    /// Length of the content, in bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().flat_map(|part| &part.body).map(Bytes::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyFile;
    use crate::base::secret::Secret;

    #[test]
    fn a_key_is_never_shown() {
        let key = KeyFile { number: 1, bytes: Secret::new([0xab; 16]) };
        assert_eq!(format!("{key:?}"), "key-1.key");
    }
}
