//! The publisher's side of a stream.
//!
//! In: frames with the publisher's timestamps. Out: frames in the ring with the stream's. When another
//! publisher follows, numbers of frames, timeline and players stay: for a player the stream goes on.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::config::StreamSettings;
use crate::media::codec::{self, Params, annexb};
use crate::media::frame::{Frame, FrameKind, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::media::timeline::Timeline;
use crate::media::timestamp::Timestamp;
use crate::stream::flush::Flusher;
use crate::stream::rendition::Rendition;
use crate::stream::ring::{Entry, Ring};
use crate::wire::flv;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Media time, in microseconds, after which players no longer wait for tracks that have not come.
const TRACKS_WAIT_US: i64 = 500_000;

/// The publisher of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publication {
    /// The publisher's connection.
    pub conn: ConnId,
    /// When it began.
    pub since: Instant,
    /// True until the first keyframe: video frames are dropped.
    awaiting_key: bool,
    /// Timestamp of the first audio or video frame.
    first: Option<Timestamp>,
    /// True when the tracks are known, or no longer waited for.
    tracks_known: bool,
}

/// Counters for the API and for checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Audio frames that were accepted.
    pub audio_frames: u64,
    /// Video frames that were accepted.
    pub video_frames: u64,
    /// Frames that were refused: video before the first keyframe, tracks past the limit.
    pub refused_frames: u64,
}

/// One stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    pub(super) settings: StreamSettings,
    pub(super) pinned_bytes_max: usize,
    pub(super) ring: Ring,
    pub(super) renditions: Vec<Rendition>,
    pub(super) stream_info: Arc<StreamInfo>,
    /// Frames with smaller numbers may be sent.
    pub(super) flushed: u64,
    tracks_max: usize,
    timeline: Timeline,
    publication: Option<Publication>,
    flusher: Flusher,
    counters: Counters,
}

/// Result of [`Stream::append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The frame is the newest in the ring, with the stream's timestamp.
    Accepted,
    /// The frame repeats what is known, was refused, or nothing is published.
    Ignored,
    /// The frame is larger than the limit of the ring: the publisher must be closed.
    TooLarge,
}

impl Stream {
    /// A stream without a publisher.
    pub fn new(settings: StreamSettings, pinned_bytes_max: usize, tracks_max: usize) -> Self {
        Stream {
            ring: Ring::new(settings.ring.clone()),
            pinned_bytes_max,
            renditions: Vec::new(),
            stream_info: Arc::default(),
            flushed: 0,
            tracks_max,
            timeline: Timeline::default(),
            publication: None,
            flusher: Flusher::new(settings.play.flush),
            counters: Counters::default(),
            settings,
        }
    }

    /// Makes `conn` the publisher, in place of any other (I24).
    pub fn publish(&mut self, conn: ConnId, now: Instant) {
        self.publication =
            Some(Publication { conn, since: now, awaiting_key: true, first: None, tracks_known: false });
        // The clock and the codecs of the new publisher are unrelated to those before.
        self.timeline.restart();
        self.ring.forget_starts();
        // The info of the last publisher is void. A higher number makes players get the new one.
        let number = self.stream_info.number + 1;
        self.stream_info = Arc::new(StreamInfo { number, ..StreamInfo::default() });
    }

    /// Removes the publisher. Frames that were held back may be sent now.
    pub fn unpublish(&mut self, now: Instant) {
        self.publication = None;
        self.flush(now);
    }

    /// The publisher, if there is one.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }

    /// True if a player can start now: the stream is published, its tracks are known, and the ring holds a
    /// frame to start at.
    pub fn is_live(&self) -> bool {
        self.publication.as_ref().is_some_and(|publication| publication.tracks_known)
            && self.ring.newest_sync().is_some()
    }

    /// The stream info in force.
    pub fn info(&self) -> &Arc<StreamInfo> {
        &self.stream_info
    }

    /// The settings of the stream.
    pub fn settings(&self) -> &StreamSettings {
        &self.settings
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of frames and renditions.
    pub fn bytes(&self) -> usize {
        self.ring.bytes() + self.renditions.iter().map(Rendition::bytes).sum::<usize>()
    }

    /// Appends a frame of the publisher, which has the publisher's timestamps.
    pub fn append(&mut self, mut frame: Frame, now: Instant) -> Appended {
        let Some(publication) = &mut self.publication else { return Appended::Ignored };
        // The limit bounds the stream info, which has an entry for each track.
        let known = self.stream_info.track(frame.track).is_some();
        if !known && frame.track.kind != TrackKind::Data && self.stream_info.tracks.len() >= self.tracks_max {
            self.counters.refused_frames += 1;
            return Appended::Ignored;
        }
        if frame.track.kind == TrackKind::Video && frame.is_media() {
            // It cannot be decoded without the keyframe before it.
            if publication.awaiting_key && frame.kind != FrameKind::Key {
                reached!("a picture came before the first keyframe");
                self.counters.refused_frames += 1;
                return Appended::Ignored;
            }
            publication.awaiting_key = false;
        }
        self.timeline.normalize(&mut frame);
        let info = self.stream_info.track(frame.track);
        let config = info.and_then(|info| info.config.as_ref()).map(|config| &config.payload[..]);
        // Some encoders send start codes where FLV has lengths, which players cannot read.
        if let Some(payload) = annexb::repair(&frame, config) {
            frame.payload = payload;
        }
        // Encoders repeat configurations with each keyframe; only changes are worth a frame in the ring.
        if !self.learn(&frame) {
            return Appended::Ignored;
        }
        if !self.ring.has_place_for(&frame) {
            reached!("a frame was larger than its ring");
            return Appended::TooLarge;
        }
        self.count(&frame);
        self.look_for_tracks(&frame);
        // Without players the flusher is not asked: its timer would wake the loop for nothing at each audio
        // frame.
        let leaves = self.renditions.is_empty()
            || self.flusher.take(now, &frame, self.stream_info.has(TrackKind::Video));
        self.ring.push(frame, self.stream_info.clone(), self.flushed);
        // Held back longer, frames could drop out of the ring before they are sent.
        if leaves || self.ring_fills_up() {
            self.flush(now);
        }
        Appended::Accepted
    }

    /// Updates the stream info from a frame. False if the frame holds only info, and none of it is new.
    fn learn(&mut self, frame: &Frame) -> bool {
        let params = match frame.kind {
            FrameKind::Config => codec::parse_config(frame.codec, &frame.payload).ok().or_else(|| {
                log::debug!("cannot parse the configuration of a {:?} track", frame.codec);
                None
            }),
            FrameKind::Key => self.learn_from_key(frame),
            _ => None,
        };
        match self.stream_info.with(frame, params) {
            Some(stream_info) => {
                self.stream_info = stream_info;
                true
            }
            None => frame.is_media() || matches!(frame.kind, FrameKind::Message | FrameKind::End),
        }
    }

    /// Parameters of a track that a keyframe adds: all for a codec without configurations, the picture size
    /// if the configuration does not hold it.
    fn learn_from_key(&self, frame: &Frame) -> Option<Params> {
        let known = self.stream_info.track(frame.track).filter(|info| info.codec == frame.codec);
        let known = known.and_then(|info| info.params.as_ref());
        // Parsing every keyframe would cost time for nothing.
        if known.is_some_and(Params::is_complete) {
            return None;
        }
        let told = codec::parse_frame(frame.codec, &frame.payload)?;
        Some(known.map_or(told.clone(), |known| known.completed(&told)))
    }

    fn count(&mut self, frame: &Frame) {
        match frame.track.kind {
            TrackKind::Audio if frame.is_media() => self.counters.audio_frames += 1,
            TrackKind::Video if frame.is_media() => self.counters.video_frames += 1,
            _ => {}
        }
    }

    /// Decides whether the tracks are known. An FLV head names them before their first frames, so players
    /// wait until all tracks that the metadata announces have come, or audio and video have, or half a second
    /// passed.
    fn look_for_tracks(&mut self, frame: &Frame) {
        let Some(publication) = &mut self.publication else { return };
        if publication.tracks_known {
            return;
        }
        if frame.is_media() {
            publication.first.get_or_insert(frame.dts);
        }
        let (audio, video) = (self.stream_info.has(TrackKind::Audio), self.stream_info.has(TrackKind::Video));
        let promised = self.stream_info.metadata.as_ref().and_then(flv::announced);
        let complete = match promised {
            Some(kinds) => (audio || !kinds.audio) && (video || !kinds.video),
            None => audio && video,
        };
        let waited = publication.first.is_some_and(|first| frame.dts - first >= TRACKS_WAIT_US);
        if waited && !complete {
            reached!("a track that was announced did not come in time");
        }
        publication.tracks_known = complete || waited;
    }

    /// True if frames that are held back fill half of the ring. They could drop out of it before they are
    /// sent.
    fn ring_fills_up(&self) -> bool {
        let limits = &self.settings.ring;
        let frames = self.ring.head() - self.flushed;
        frames >= limits.frames_max as u64 / 2 || self.ring.bytes_from(self.flushed) >= limits.bytes_max / 2
    }

    /// Flushes: everything in the ring may be sent now.
    pub fn flush(&mut self, now: Instant) {
        // Without new frames no writes follow that could be measured.
        if self.flushed != self.ring.head() {
            self.flusher.left(now);
        }
        self.flushed = self.ring.head();
        for rendition in &mut self.renditions {
            rendition.catch_up(&self.ring);
        }
    }

    /// The rule that holds frames back.
    pub fn flusher(&self) -> &Flusher {
        &self.flusher
    }

    /// Notes that a pass of the loop begins at `now`.
    pub fn note_pass(&mut self, now: Instant) {
        self.flusher.note_pass(now);
    }

    /// True if frames were flushed since [`Stream::flushed`] returned `mark`.
    pub fn has_flushed_since(&self, mark: u64) -> bool {
        self.flushed != mark
    }

    /// Number of the oldest frame in the ring.
    pub fn first(&self) -> u64 {
        self.ring.first()
    }

    /// Number of the newest frame that a player can start at.
    pub fn newest_sync(&self) -> Option<u64> {
        self.ring.newest_sync()
    }

    /// The frame with this number, if the ring holds it.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.ring.get(number)
    }

    /// Number of the next frame.
    pub fn head(&self) -> u64 {
        self.ring.head()
    }

    /// Frames with smaller numbers may be sent.
    pub fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Removes all frames, after the stream has ended and its players were told.
    pub fn clear(&mut self, now: Instant) {
        self.ring.clear();
        self.flush(now);
    }
}
