//! The last frames of a stream, once.
//!
//! In: frames in order. Out: a frame by its number, and where a player may start. Frames are numbered
//! from 0 without gaps for the whole life of the stream; old ones leave at the front, whole GOPs at a
//! time while the limits allow, single frames where they do not (I15).
//! Never: knows players, formats or bytes on the wire.

use crate::config;
use crate::media::frame::{Frame, TrackKind};
use crate::media::stream_info::StreamInfo;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// A frame and what is true where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The frame.
    pub frame: Frame,
    /// The stream info in force from this frame on.
    pub stream_info: Arc<StreamInfo>,
    /// True if a player may start here.
    pub sync: bool,
}

/// The ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ring {
    #[serde(with = "entries")]
    entries: VecDeque<Entry>,
    /// Number of the entry at the front.
    first: u64,
    /// Numbers of the entries where a player may start, oldest first.
    syncs: VecDeque<u64>,
    /// Payload bytes held.
    bytes: usize,
    limits: config::Ring,
    /// True once a picture came: from then on only its keyframes are places to start.
    video: bool,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: config::Ring) -> Self {
        Ring { entries: VecDeque::new(), first: 0, syncs: VecDeque::new(), bytes: 0, limits, video: false }
    }

    /// False if the frame alone is larger than the ring may be.
    pub fn has_place_for(&self, frame: &Frame) -> bool {
        frame.payload.len() <= self.limits.bytes_max
    }

    /// Appends a frame that it has a place for; old ones leave to make room, or because of their age if their
    /// number is below `shown`.
    pub fn push(&mut self, frame: Frame, stream_info: Arc<StreamInfo>, shown: u64) {
        let len = frame.payload.len();
        while self.bytes + len > self.limits.bytes_max || self.entries.len() >= self.limits.frames_max.max(1)
        {
            reached!("a ring was full");
            self.pop();
        }
        if frame.track.kind == TrackKind::Video && !self.video {
            // Sound alone was enough to start at; it is not any more.
            self.video = true;
            self.syncs.clear();
        }
        let sync = if self.video { frame.is_video_key() } else { frame.is_media() };
        if sync {
            self.syncs.push_back(self.head());
        }
        let newest = frame.dts;
        self.bytes += len;
        self.entries.push_back(Entry { frame, stream_info, sync });
        self.drop_old_gops(newest, shown);
        assert!(self.bytes <= self.limits.bytes_max, "the ring keeps its byte limit (I15)");
    }

    fn drop_old_gops(&mut self, newest: crate::media::timestamp::Timestamp, shown: u64) {
        let keep_us = i64::try_from(self.limits.keep_ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
        while let Some(cut) = self.syncs.iter().copied().find(|sync| *sync > self.first) {
            let entry = self.get(cut).expect("places to start are in the ring");
            if newest - entry.frame.dts < keep_us || cut > shown {
                return;
            }
            while self.first < cut {
                self.pop();
            }
        }
    }

    fn pop(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.frame.payload.len();
        if self.syncs.front() == Some(&self.first) {
            self.syncs.pop_front();
        }
        self.first += 1;
    }

    /// Another publisher begins: nobody may start at frames of the one before, and whether there are
    /// pictures is open again.
    pub fn forget_starts(&mut self) {
        self.syncs.clear();
        self.video = false;
    }

    /// Lets go of all frames; numbers go on.
    pub fn clear(&mut self) {
        self.first = self.head();
        self.entries = VecDeque::new();
        self.syncs = VecDeque::new();
        self.bytes = 0;
    }

    /// Number of the oldest frame held, or of the next one to come if none is.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number that the next frame will have.
    pub fn head(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The frame with this number, if it is held.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place)
    }

    /// The newest frame that a player may start at.
    pub fn newest_sync(&self) -> Option<u64> {
        self.syncs.back().copied()
    }

    /// The oldest frame that a player may start at.
    pub fn oldest_sync(&self) -> Option<u64> {
        self.syncs.front().copied()
    }

    /// The first frame that a player may start at from `number` on.
    pub fn sync_from(&self, number: u64) -> Option<u64> {
        self.syncs.iter().copied().find(|sync| *sync >= number)
    }

    /// Payload bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Payload bytes of the frames from `number` on.
    pub fn bytes_from(&self, number: u64) -> usize {
        let place = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(place.min(self.entries.len())..).map(|entry| entry.frame.payload.len()).sum()
    }

    /// Number of frames held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if none is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Entries as they are saved: stream info once for all frames that it holds for.
mod entries {
    use super::{Arc, Entry, Frame, StreamInfo, VecDeque};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    pub fn serialize<S: Serializer>(entries: &VecDeque<Entry>, to: S) -> Result<S::Ok, S::Error> {
        let mut last: Option<&Arc<StreamInfo>> = None;
        to.collect_seq(entries.iter().map(|Entry { frame, stream_info, sync }| {
            let news = last.replace(stream_info).is_none_or(|last| last.number != stream_info.number);
            (frame, news.then_some(stream_info), sync)
        }))
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<Entry>, D::Error> {
        let list = Vec::<(Frame, Option<Arc<StreamInfo>>, bool)>::deserialize(from)?;
        let mut last = None;
        let entries = list.into_iter().map(|(frame, news, sync)| {
            last = news.or(last.take());
            Some(Entry { frame, stream_info: last.clone()?, sync })
        });
        entries.collect::<Option<_>>().ok_or_else(|| D::Error::custom("frames without stream_info"))
    }
}
