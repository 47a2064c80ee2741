//! One stream: its publisher's side.
//!
//! Frames come in with their publisher's own time and leave with the stream's. A second publisher goes on
//! where the first one left off: the numbers of frames, the timeline and the players stay.

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

/// After so much media, in microseconds, the tracks that have not come are taken for late ones.
const TRACKS_WAIT_US: i64 = 500_000;

/// Who publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publication {
    /// The publisher's connection.
    pub conn: ConnId,
    /// Since when.
    pub since: Instant,
    /// Pictures are dropped until a keyframe comes.
    awaiting_key: bool,
    /// Time of its first frame of sound or picture.
    first: Option<Timestamp>,
    /// True once it is known which tracks it has.
    tracks_known: bool,
}

/// Numbers for the API and for checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Sound frames accepted.
    pub audio_frames: u64,
    /// Pictures accepted.
    pub video_frames: u64,
    /// Frames refused: pictures before the first keyframe, tracks past the limit.
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
    /// Frames with smaller numbers may leave.
    pub(super) flushed: u64,
    tracks_max: usize,
    timeline: Timeline,
    publication: Option<Publication>,
    flusher: Flusher,
    counters: Counters,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is the newest in the ring, with the stream's time.
    Accepted,
    /// It says nothing new, or nothing can be done with it.
    Ignored,
    /// It is larger than the ring may be: its publisher has to go.
    TooLarge,
}

impl Stream {
    /// A stream that nobody publishes yet.
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

    /// `conn` publishes from now on. Whoever did before does not (I24).
    pub fn publish(&mut self, conn: ConnId, now: Instant) {
        self.publication =
            Some(Publication { conn, since: now, awaiting_key: true, first: None, tracks_known: false });
        self.timeline.restart();
        self.ring.forget_starts();
        // What the one before said holds no more; numbers go on, so that players notice.
        let number = self.stream_info.number + 1;
        self.stream_info = Arc::new(StreamInfo { number, ..StreamInfo::default() });
    }

    /// Nobody publishes any more. Players keep what they have not been sent yet.
    pub fn unpublish(&mut self, now: Instant) {
        self.publication = None;
        self.flush(now);
    }

    /// Who publishes.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }

    /// True if a player could start now: somebody publishes, its tracks are known, and there is a frame to
    /// start at.
    pub fn is_live(&self) -> bool {
        self.publication.as_ref().is_some_and(|publication| publication.tracks_known)
            && self.ring.newest_sync().is_some()
    }

    /// The stream info in force.
    pub fn info(&self) -> &Arc<StreamInfo> {
        &self.stream_info
    }

    /// The settings that hold for it.
    pub fn settings(&self) -> &StreamSettings {
        &self.settings
    }

    /// Numbers so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes held: frames, and what they were laid out as.
    pub fn bytes(&self) -> usize {
        self.ring.bytes() + self.renditions.iter().map(Rendition::bytes).sum::<usize>()
    }

    /// A frame of the publisher, with the publisher's own time.
    pub fn append(&mut self, mut frame: Frame, now: Instant) -> Appended {
        let Some(publication) = &mut self.publication else { return Appended::Ignored };
        let known = self.stream_info.track(frame.track).is_some();
        if !known && frame.track.kind != TrackKind::Data && self.stream_info.tracks.len() >= self.tracks_max {
            self.counters.refused_frames += 1;
            return Appended::Ignored;
        }
        if frame.track.kind == TrackKind::Video && frame.is_media() {
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
        if let Some(payload) = annexb::repair(&frame, config) {
            frame.payload = payload;
        }
        if !self.learn(&frame) {
            return Appended::Ignored;
        }
        if !self.ring.has_place_for(&frame) {
            reached!("a frame was larger than its ring");
            return Appended::TooLarge;
        }
        self.count(&frame);
        self.look_for_tracks(&frame);
        // Where nothing is played nothing leaves: a timer would wake the loop in vain, at each block of
        // sound.
        let leaves = self.renditions.is_empty()
            || self.flusher.take(now, &frame, self.stream_info.has(TrackKind::Video));
        self.ring.push(frame, self.stream_info.clone(), self.flushed);
        if leaves || self.ring_fills_up() {
            self.flush(now);
        }
        Appended::Accepted
    }

    /// Takes what the frame says about the stream. False if the frame does nothing else and says nothing new.
    fn learn(&mut self, frame: &Frame) -> bool {
        let params = match frame.kind {
            FrameKind::Config => codec::parse_config(frame.codec, &frame.payload).ok().or_else(|| {
                log::debug!("the configuration of a {:?} track cannot be understood", frame.codec);
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

    /// What a frame adds to what is known of its track: everything where the codec has no configuration, the
    /// size of the pictures where that leaves it out.
    fn learn_from_key(&self, frame: &Frame) -> Option<Params> {
        let known = self.stream_info.track(frame.track).filter(|info| info.codec == frame.codec);
        let known = known.and_then(|info| info.params.as_ref());
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

    /// An FLV head names its tracks before the first of their frames; so players wait until they are known:
    /// all that the metadata announces have come, or sound and picture have, or half a second has passed.
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

    /// True if so much of the ring may not leave yet that some of it could be lost before anybody was shown
    /// it.
    fn ring_fills_up(&self) -> bool {
        let limits = &self.settings.ring;
        let frames = self.ring.head() - self.flushed;
        frames >= limits.frames_max as u64 / 2 || self.ring.bytes_from(self.flushed) >= limits.bytes_max / 2
    }

    /// Everything in the ring may leave now.
    pub fn flush(&mut self, now: Instant) {
        if self.flushed != self.ring.head() {
            self.flusher.left(now);
        }
        self.flushed = self.ring.head();
        for rendition in &mut self.renditions {
            rendition.catch_up(&self.ring);
        }
    }

    /// When frames leave.
    pub fn flusher(&self) -> &Flusher {
        &self.flusher
    }

    /// The server's loop has come to `now`.
    pub fn note_pass(&mut self, now: Instant) {
        self.flusher.note_pass(now);
    }

    /// True if `mark`, a value of [`Stream::flushed`] taken before, is out of date: players have news.
    pub fn has_flushed_since(&self, mark: u64) -> bool {
        self.flushed != mark
    }

    /// The number of the oldest frame that is held.
    pub fn first(&self) -> u64 {
        self.ring.first()
    }

    /// The newest frame that a player may start at.
    pub fn newest_sync(&self) -> Option<u64> {
        self.ring.newest_sync()
    }

    /// The frame with this number, if it is held.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.ring.get(number)
    }

    /// The number that the next frame will have.
    pub fn head(&self) -> u64 {
        self.ring.head()
    }

    /// Frames with smaller numbers may leave.
    pub fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Lets go of all frames: the stream has ended and its players know.
    pub fn clear(&mut self, now: Instant) {
        self.ring.clear();
        self.flush(now);
    }
}
