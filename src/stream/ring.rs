//! The ring: the latest frames of a stream, held once for all players.
//!
//! In: frames in order. Out: a frame by its number, and the frames that a player can start at. Frames are
//! numbered from 0 without gaps for as long as the stream exists. Old frames are removed by age in whole
//! GOPs, and one by one when a limit is reached (I15). Never: knows players, formats or bytes on the wire.

use crate::config;
use crate::media::frame::{Frame, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::media::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// A frame in the ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The frame.
    pub frame: Frame,
    /// The stream info in force from this frame on.
    pub stream_info: Arc<StreamInfo>,
    /// True if a player can start here.
    pub sync: bool,
}

/// An entry that a player can start at. Its time stands here too, so that a push looks at no old entry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sync {
    number: u64,
    dts: Timestamp,
}

/// The ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ring {
    #[serde(with = "entries")]
    entries: VecDeque<Entry>,
    /// Number of the entry at the front.
    first: u64,
    /// The entries that a player can start at, oldest first.
    syncs: VecDeque<Sync>,
    /// Payload bytes of all entries.
    bytes: usize,
    limits: config::Ring,
    /// True after the first video frame: from then on players start at keyframes only.
    video: bool,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: config::Ring) -> Self {
        Ring { entries: VecDeque::new(), first: 0, syncs: VecDeque::new(), bytes: 0, limits, video: false }
    }

    /// False if the frame alone exceeds the limit of the ring.
    pub fn has_place_for(&self, frame: &Frame) -> bool {
        frame.payload.len() <= self.limits.bytes_max
    }

    /// Appends a frame. Removes old frames to make room, and GOPs that are too old if all their frames have
    /// numbers below `shown`.
    ///
    /// # Panics
    /// If [`Ring::has_place_for`] is false for the frame.
    pub fn push(&mut self, frame: Frame, stream_info: Arc<StreamInfo>, shown: u64) {
        let len = frame.payload.len();
        while self.bytes + len > self.limits.bytes_max || self.entries.len() >= self.limits.frames_max.max(1)
        {
            reached!("a ring was full");
            self.pop();
        }
        if frame.track.kind == TrackKind::Video && !self.video {
            // With video, a player that started at an audio frame could not decode the picture.
            self.video = true;
            self.syncs.clear();
        }
        // Audio frames can be decoded from each one on; video only from a keyframe.
        let sync = if self.video { frame.is_video_key() } else { frame.is_media() };
        if sync {
            self.syncs.push_back(Sync { number: self.head(), dts: frame.dts });
        }
        let newest = frame.dts;
        self.bytes += len;
        self.entries.push_back(Entry { frame, stream_info, sync });
        self.drop_old_gops(newest, shown);
        assert!(self.bytes <= self.limits.bytes_max, "the ring keeps its byte limit (I15)");
    }

    fn drop_old_gops(&mut self, newest: Timestamp, shown: u64) {
        let keep_us = i64::try_from(self.limits.keep_ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
        while let Some(cut) = self.syncs.iter().copied().find(|sync| sync.number > self.first) {
            // Frames that are held back must not be removed because of their age.
            if newest - cut.dts < keep_us || cut.number > shown {
                return;
            }
            while self.first < cut.number {
                self.pop();
            }
        }
    }

    fn pop(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.frame.payload.len();
        if self.oldest_sync() == Some(self.first) {
            self.syncs.pop_front();
        }
        self.first += 1;
    }

    /// Forgets the frames to start at, and whether there is video, when another publisher begins.
    pub fn forget_starts(&mut self) {
        self.syncs.clear();
        self.video = false;
    }

    /// Removes all frames. Numbers go on.
    pub fn clear(&mut self) {
        self.first = self.head();
        self.entries = VecDeque::new();
        self.syncs = VecDeque::new();
        self.bytes = 0;
    }

    /// Number of the oldest frame, or of the next one if the ring is empty.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next frame.
    pub fn head(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The frame with this number, if the ring holds it.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place)
    }

    /// Number of the newest frame that a player can start at.
    pub fn newest_sync(&self) -> Option<u64> {
        self.syncs.back().map(|sync| sync.number)
    }

    /// Number of the oldest frame that a player can start at.
    pub fn oldest_sync(&self) -> Option<u64> {
        self.syncs.front().map(|sync| sync.number)
    }

    /// Number of the first frame from `number` on that a player can start at.
    pub fn sync_from(&self, number: u64) -> Option<u64> {
        self.syncs.iter().map(|sync| sync.number).find(|sync| *sync >= number)
    }

    /// True if its numbers fit its frames. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let bytes: usize = self.entries.iter().map(|entry| entry.frame.payload.len()).sum();
        let ascends =
            self.syncs.iter().zip(self.syncs.iter().skip(1)).all(|(one, next)| one.number < next.number);
        let held = |sync: &Sync| self.get(sync.number).is_some_and(|entry| entry.frame.dts == sync.dts);
        self.bytes == bytes && bytes <= self.limits.bytes_max && ascends && self.syncs.iter().all(held)
    }

    /// Payload bytes of all frames.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Payload bytes of the frames from `number` on.
    pub fn bytes_from(&self, number: u64) -> usize {
        let place = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(place.min(self.entries.len())..).map(|entry| entry.frame.payload.len()).sum()
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if the ring holds no frames.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Serialises entries: stream info once for all frames that share it.
mod entries {
    use super::{Arc, Entry, Frame, StreamInfo, VecDeque};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises the entries.
    pub fn serialize<S: Serializer>(entries: &VecDeque<Entry>, to: S) -> Result<S::Ok, S::Error> {
        let mut last: Option<&Arc<StreamInfo>> = None;
        to.collect_seq(entries.iter().map(|Entry { frame, stream_info, sync }| {
            let news = last.replace(stream_info).is_none_or(|last| last.number != stream_info.number);
            (frame, news.then_some(stream_info), sync)
        }))
    }

    /// Deserialises the entries.
    ///
    /// # Errors
    /// If the first entry has no stream info.
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
