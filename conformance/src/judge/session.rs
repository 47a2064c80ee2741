//! One publishing session of a stream: the frames that count, in order.
//!
//! By the server's promises these count: video from the first keyframe on, tracks up to the limit, bodies
//! that are well-formed and not empty, known codecs.

use super::byte_counts::Span;
use super::clock::{Place, Timeline, Unwrap};
use super::frame_id::FrameId;
use super::hash::hash;
use super::report::PublisherReport;
use super::rules::Rules;
use crate::reader::flv::{self, AUDIO, Codec, DATA, Packet, VIDEO, What};
use std::collections::{BTreeMap, VecDeque};

/// A frame that counts.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    /// Kind and number.
    pub track: (u8, u8),
    /// How it is coded.
    pub codec: Codec,
    /// A picture that decoding may begin at.
    pub key: bool,
    /// A player may begin here.
    pub sync: bool,
    /// Of its payload.
    pub hash: u64,
    /// What of it is the same in every container.
    pub frame_id: FrameId,
    /// Its publisher has told how its track is configured.
    pub configured: bool,
    /// Its payload is a byte stream where lengths belong: players get it put right.
    pub byte_stream: bool,
    /// Where it should stand.
    pub place: Place,
    /// How much later it is presented, in milliseconds.
    pub cts_ms: i32,
    /// When the server was given it.
    pub at_us: u64,
    /// Its payload, in bytes.
    pub len: u64,
    /// How much the ring holds up to and with this frame, at most: entries and bytes, of other kinds too.
    pub ring: (u64, u64),
}

/// A configuration, or that there is none any more.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// The first frame that it holds for.
    pub from: u64,
    /// Whose it is.
    pub codec: Codec,
    /// Of its payload; `None`: there is none.
    pub hash: Option<u64>,
    /// False where players get it put right.
    pub exact: bool,
}

/// A publisher.
#[derive(Debug)]
pub(super) struct Session {
    /// Among all of the run.
    pub number: u32,
    /// Its connection.
    pub conn_no: u32,
    /// When it ended.
    pub over_us: Option<u64>,
    /// It said so itself, or its connection ended: all that it sent before was taken.
    pub by_itself: bool,
    /// It is not defined what the server accepts of it.
    pub doubtful: bool,
    /// What it sent before it was known whether it is let in: time, kind, timestamp, body.
    pub waiting: Vec<(u64, u8, u32, Vec<u8>)>,
    /// A player got frames that may be of it, and its answer has not come.
    pub presumed: bool,
    /// What was counted when its socket had no room any more: whether the server takes what came after that
    /// is not known. Sound, and pictures.
    pub floor: Option<(u64, u64)>,
    /// When something of it came last, and what was counted before: sound, and pictures.
    breath: (u64, (u64, u64)),
    /// Numbers.
    pub report: PublisherReport,
    /// Configurations by track, in order.
    pub configs: BTreeMap<(u8, u8), Vec<Config>>,
    /// The stream's, as far as it was known when this publisher was let in.
    pub timeline: Timeline,
    /// For each kind, the hash of the first frame that is hardly ever like one of another film.
    pub telling: BTreeMap<u8, u64>,
    frames: VecDeque<Accepted>,
    /// Number of the first frame that is kept.
    first: u64,
    unwrap: Unwrap,
    has_key: bool,
    has_video: bool,
    ring: (u64, u64),
}

/// Most frames that are kept of a session: more than any ring holds.
const FRAMES_KEPT: usize = 40_000;

/// Smaller payloads may be silence, which is the same for all publishers.
const TELLING_BYTES: u64 = 64;

impl Session {
    /// A peer requested to publish.
    pub fn new(number: u32, conn_no: u32, _at_us: u64) -> Self {
        Session {
            number,
            conn_no,
            over_us: None,
            by_itself: false,
            doubtful: false,
            waiting: Vec::new(),
            presumed: false,
            floor: None,
            breath: (0, (0, 0)),
            report: PublisherReport { conn_no, ..PublisherReport::default() },
            configs: BTreeMap::new(),
            timeline: Timeline::default(),
            telling: BTreeMap::new(),
            frames: VecDeque::new(),
            first: 0,
            unwrap: Unwrap::default(),
            has_key: false,
            has_video: false,
            ring: (0, 0),
        }
    }

    /// It ends.
    pub fn over(&mut self, at_us: u64, by_itself: bool) {
        if self.over_us.is_none() {
            self.over_us = Some(at_us);
            self.by_itself = by_itself && !self.doubtful;
            if !by_itself && self.breath.0 == at_us {
                // The server has found fault with what came just now, and may have taken less of it.
                self.floor.get_or_insert(self.breath.1);
            }
        }
    }

    /// A media message: its kind, its timestamp and its body.
    pub fn media(&mut self, at_us: u64, rules: &Rules, (kind, timestamp): (u8, u32), body: &[u8]) {
        let raw_ms = self.unwrap.next(timestamp);
        if self.breath.0 != at_us {
            self.breath = (at_us, (self.report.audio_frames, self.report.video_frames));
        }
        if kind == DATA {
            self.ring = (self.ring.0 + 1, self.ring.1 + body.len() as u64);
            return;
        }
        let Ok(packets) = flv::packets(kind, body) else {
            // The server leaves out what is not well-formed, too; the two may differ about what that is.
            self.doubtful = true;
            return;
        };
        for packet in packets {
            if !is_known(kind, packet.codec) {
                continue;
            }
            let raw_us = raw_ms * 1000 + i64::from(packet.nanos) / 1000;
            let payload = &body[packet.payload.clone()];
            if payload.len() > rules.ring_bytes_max {
                self.doubtful = true;
            }
            self.packet(at_us, rules, (kind, raw_us), &packet, payload);
        }
    }

    fn packet(
        &mut self,
        at_us: u64,
        rules: &Rules,
        (kind, raw_us): (u8, i64),
        packet: &Packet,
        payload: &[u8],
    ) {
        let track = (kind, packet.track);
        let coded = packet.what == What::Coded;
        let nothing = payload.is_empty() && !(packet.codec == Codec::OPUS && packet.what == What::Config);
        if nothing && packet.what != What::End {
            return;
        }
        if !self.configs.contains_key(&track) && self.configs.len() >= rules.tracks_max {
            self.report.refused_frames += u64::from(coded);
            return;
        }
        if kind == VIDEO && coded {
            if !self.has_key && !packet.key {
                self.report.refused_frames += 1;
                return;
            }
            self.has_key = true;
        }
        match packet.what {
            What::Config => self.config(track, packet.codec, payload),
            What::Coded => self.coded(at_us, raw_us, track, packet, payload),
            What::End | What::Info => self.ring = (self.ring.0 + 1, self.ring.1 + payload.len() as u64),
        }
    }

    fn config(&mut self, track: (u8, u8), codec: Codec, payload: &[u8]) {
        if matches!(codec, Codec::MP3 | Codec::AC3 | Codec::EAC3) {
            return;
        }
        self.has_video |= track.0 == VIDEO;
        self.ring = (self.ring.0 + 1, self.ring.1 + payload.len() as u64);
        let exact = match codec {
            Codec::OPUS => !payload.is_empty(),
            Codec::FLAC => payload.len() != 34,
            Codec::AV1 => payload.first() != Some(&0x80),
            _ => !begins_with_start_code(payload),
        };
        let config = Config { from: self.end(), codec, hash: Some(hash(payload)), exact };
        let known = self.configs.entry(track).or_default();
        if known.last().is_none_or(|last| (last.codec, last.hash) != (config.codec, config.hash)) {
            known.push(config);
        }
    }

    fn coded(&mut self, at_us: u64, raw_us: i64, track: (u8, u8), packet: &Packet, payload: &[u8]) {
        let (video, codec, from) = (track.0 == VIDEO, packet.codec, self.end());
        self.has_video |= video;
        let known = self.configs.entry(track).or_default();
        if known.last().is_none_or(|last| last.codec != codec) {
            known.push(Config { from, codec, hash: None, exact: true });
        }
        let configured = known.last().is_some_and(|last| last.hash.is_some());
        let bytes = payload.len() as u64;
        self.ring = (self.ring.0 + 1, self.ring.1 + bytes);
        self.report.payload_bytes += bytes;
        match video {
            true => self.report.video_frames += 1,
            false => self.report.audio_frames += 1,
        }
        let (key, hash) = (video && packet.key, hash(payload));
        if bytes >= TELLING_BYTES {
            self.telling.entry(track.0).or_insert(hash);
        }
        self.frames.push_back(Accepted {
            track,
            codec,
            key,
            sync: key || !self.has_video,
            hash,
            frame_id: FrameId::of_sample(codec, payload, 4),
            configured,
            byte_stream: matches!(codec, Codec::AVC | Codec::HEVC) && begins_with_start_code(payload),
            place: self.timeline.place(track, video, raw_us),
            cts_ms: packet.composition_ms.max(0),
            at_us,
            len: bytes,
            ring: self.ring,
        });
        if self.frames.len() > FRAMES_KEPT {
            self.frames.pop_front();
            self.first += 1;
        }
    }

    /// How many entries the ring was given of it, at most.
    pub fn entries(&self) -> u64 {
        self.ring.0
    }

    /// How many frames of sound and how many pictures the server must have counted.
    pub fn counted(&self) -> (Span, Span) {
        let most = (self.report.audio_frames, self.report.video_frames);
        if self.doubtful {
            let anything = Span { min: 0, max: u64::MAX };
            return (anything, anything);
        }
        let least = if self.presumed { (0, 0) } else { self.floor.unwrap_or(most) };
        (Span { min: least.0, max: most.0 }, Span { min: least.1, max: most.1 })
    }

    /// True if it has shown pictures, or that it will.
    pub fn has_video(&self) -> bool {
        self.has_video
    }

    /// Number of the next frame.
    pub fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// A frame by its number.
    pub fn get(&self, number: u64) -> Option<&Accepted> {
        self.frames.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The frames that are kept.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &Accepted)> {
        let first = self.first;
        self.frames.iter().enumerate().map(move |(place, frame)| (first + place as u64, frame))
    }

    /// Frames from `number` on.
    pub fn from(&self, number: u64) -> impl Iterator<Item = (u64, &Accepted)> {
        let skip = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let first = self.first;
        let kept = self.frames.range(skip.min(self.frames.len())..).enumerate();
        kept.map(move |(place, frame)| (first + (skip + place) as u64, frame))
    }

    /// The configuration of a track that holds for a frame.
    pub fn config_at(&self, track: (u8, u8), frame: u64) -> Option<&Config> {
        self.configs.get(&track)?.iter().rev().find(|config| config.from <= frame)
    }
}

/// The codecs that the server promises to carry, by kind: the others say nothing.
fn is_known(kind: u8, codec: Codec) -> bool {
    const VIDEOS: [Codec; 5] = [Codec::AVC, Codec::HEVC, Codec::AV1, Codec::VP8, Codec::VP9];
    const SOUNDS: [Codec; 6] = [Codec::AAC, Codec::MP3, Codec::OPUS, Codec::FLAC, Codec::AC3, Codec::EAC3];
    match codec.0 {
        [0, 0, 0, _] => true,
        _ => (kind == VIDEO && VIDEOS.contains(&codec)) || (kind == AUDIO && SOUNDS.contains(&codec)),
    }
}

fn begins_with_start_code(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1])
}
