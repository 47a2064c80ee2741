//! The ring and its cursors against a naive model: a list of all frames ever accepted, and for each player
//! the bytes that it got, taken apart by a reader of FLV tags that shares nothing with `wire/`.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::outbox::Outbox;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::{self, Flush, Start, StreamSettings};
use crate::media::frame::{Codec, Frame, FrameKind, Track, TrackKind};
use crate::media::timestamp::Timestamp;
use crate::stream::cursor::Cursor;
use crate::stream::ingest::{Appended, Stream};
use crate::stream::playback::Readiness;
use crate::wire::format::Container;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

pub const PUBLISHER: ConnId = ConnId { index: 0, generation: 0 };

/// What can happen to a stream.
#[derive(Clone, Debug)]
pub enum Op {
    Key(usize),
    Inter(usize),
    Audio(usize),
    Codec(u8),
    Republish,
    Join,
    Leave(usize),
    /// The player takes up to so many bytes.
    Read(usize, usize),
    /// The player takes all there is.
    ReadAll(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => picture_bytes().prop_map(Op::Key),
        8 => picture_bytes().prop_map(Op::Inter),
        6 => (0usize..60).prop_map(Op::Audio),
        1 => (0u8..4).prop_map(Op::Codec),
        1 => Just(Op::Republish),
        3 => Just(Op::Join),
        1 => (0usize..7).prop_map(Op::Leave),
        6 => (0usize..7, prop_oneof![1usize..500, 1usize..8_000]).prop_map(|(who, len)| Op::Read(who, len)),
        6 => (0usize..7).prop_map(Op::ReadAll),
    ]
}

/// Payloads that are copied, and payloads that a format shares with the ring.
fn picture_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..400, 2 => 2_000usize..4_000]
}

/// A frame as the model knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub media: TrackKind,
    pub kind: FrameKind,
    pub payload: Bytes,
    pub dts_ms: i64,
}

pub struct Player {
    pub cursor: Cursor,
    pub own: Outbox,
    pub bytes: Vec<u8>,
    /// Length of the model when it joined.
    pub joined_at: usize,
    /// The newest frame to start at when it joined, as a place in the model.
    pub newest_key: Option<usize>,
    /// True if it has taken everything after every single operation.
    pub prompt: bool,
}

pub struct World {
    pub stream: Stream,
    pub model: Vec<Accepted>,
    pub players: Vec<Player>,
    pub gone: Vec<Player>,
    pub raw_ms: i64,
    pub number: u64,
}

pub fn settings(ring: config::Ring, flush: Flush) -> StreamSettings {
    let play = config::Play { flush, start: Start::NewestKey, ..config::Play::default() };
    StreamSettings { ring, play, ..StreamSettings::default() }
}

impl World {
    pub fn new(ring: config::Ring) -> Self {
        World::flushing(ring, Flush::Frame)
    }

    fn flushing(ring: config::Ring, flush: Flush) -> Self {
        let mut stream = Stream::new(settings(ring, flush), 1 << 20, 4);
        stream.publish(PUBLISHER, Instant::ZERO);
        let mut world =
            World { stream, model: Vec::new(), players: Vec::new(), gone: Vec::new(), raw_ms: 0, number: 0 };
        world.stream_info(0);
        world
    }

    pub fn stream_info(&mut self, version: u8) {
        self.append(Track::VIDEO, Codec::H264, FrameKind::Config, Bytes::from(vec![b'V', version]));
        self.append(Track::AUDIO, Codec::Aac, FrameKind::Config, Bytes::from_static(b"A"));
    }

    pub fn media(&mut self, track: Track, codec: Codec, kind: FrameKind, len: usize) {
        self.raw_ms += 10;
        self.number += 1;
        let mut payload = self.number.to_be_bytes().to_vec();
        payload.resize(8 + len, 0xaa);
        self.append(track, codec, kind, Bytes::from(payload));
    }

    pub fn append(&mut self, track: Track, codec: Codec, kind: FrameKind, payload: Bytes) {
        let dts = Timestamp::from_millis(self.raw_ms);
        let frame = Frame { track, codec, kind, sound: 15, dts, cts: 0, payload };
        if self.stream.append(frame, Instant::ZERO) == Appended::Accepted {
            let newest = self.stream.entry(self.stream.head() - 1).expect("it was just accepted");
            let frame = newest.frame.clone();
            self.model.push(Accepted {
                media: frame.track.kind,
                kind: frame.kind,
                payload: frame.payload,
                dts_ms: frame.dts.as_millis(),
            });
        }
    }

    pub fn apply(&mut self, op: &Op) {
        match *op {
            Op::Key(len) => self.media(Track::VIDEO, Codec::H264, FrameKind::Key, len),
            Op::Inter(len) => self.media(Track::VIDEO, Codec::H264, FrameKind::Inter, len),
            Op::Audio(len) => self.media(Track::AUDIO, Codec::Aac, FrameKind::Key, len),
            Op::Codec(version) => {
                self.append(Track::VIDEO, Codec::H264, FrameKind::Config, Bytes::from(vec![b'V', version]));
                // A new configuration is of use from a keyframe on; encoders send one.
                self.media(Track::VIDEO, Codec::H264, FrameKind::Key, 10);
            }
            Op::Republish => {
                self.stream.publish(PUBLISHER, Instant::ZERO);
                self.raw_ms = 0;
                self.stream_info(0);
            }
            Op::Join if self.players.len() < 7 => {
                let newest_key = self
                    .stream
                    .is_live()
                    .then(|| {
                        self.model.iter().rposition(|frame| {
                            frame.media == TrackKind::Video && frame.kind == FrameKind::Key
                        })
                    })
                    .flatten();
                self.players.push(Player {
                    cursor: self.stream.join(Container::Flv.bare()),
                    own: Outbox::new(1 << 20, Limit::OutboxBytes),
                    bytes: Vec::new(),
                    joined_at: self.model.len(),
                    newest_key,
                    prompt: true,
                });
            }
            Op::Leave(who) if who < self.players.len() => {
                let player = self.players.remove(who);
                self.stream.leave(&player.cursor);
                self.gone.push(player);
            }
            Op::Read(who, len) if who < self.players.len() => {
                self.read(who, len);
            }
            Op::ReadAll(who) if who < self.players.len() => while self.read(who, usize::MAX) {},
            Op::Join | Op::Leave(_) | Op::Read(..) | Op::ReadAll(_) => {}
        }
        self.check_ring();
        for who in 0..self.players.len() {
            let player = &mut self.players[who];
            let readiness = self.stream.advance(&mut player.cursor, &mut player.own);
            player.prompt &= readiness == Readiness::CaughtUp || player.joined_at == self.model.len();
        }
    }

    /// The player takes up to `len` bytes; true if there may be more.
    pub fn read(&mut self, who: usize, len: usize) -> bool {
        let player = &mut self.players[who];
        let readiness = self.stream.advance(&mut player.cursor, &mut player.own);
        assert_ne!(readiness, Readiness::Lost, "the limit of pinned bytes is large enough here");
        if readiness == Readiness::CaughtUp {
            return false;
        }
        let mut slices = Slices::default();
        self.stream.window(&player.cursor, &player.own, &mut slices);
        assert!(!slices.is_empty(), "a player that is ready has bytes");
        let own = &slices.as_io_slices()[..slices.own_count()];
        let own: usize = own.iter().map(|slice| slice.len()).sum();
        let rest = self.stream.rest(&player.cursor).map_or(0, |rest| rest.len());
        assert_eq!(own, rest + player.own.len(), "frames begin behind the rest of one and its own bytes");
        let all: Vec<u8> = slices.as_io_slices().iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = len.min(all.len());
        player.bytes.extend_from_slice(&all[..taken]);
        self.stream.sent(&mut player.cursor, &mut player.own, taken);
        true
    }

    fn check_ring(&self) {
        let limits = &self.stream.settings.ring;
        assert!(self.stream.ring.bytes() <= limits.bytes_max, "I15: bytes");
        assert!(self.stream.ring.len() <= limits.frames_max, "I15: frames");
    }

    pub fn finish(mut self) {
        self.stream.flush(Instant::ZERO);
        for who in 0..self.players.len() {
            while self.read(who, usize::MAX) {}
        }
        for player in self.players.iter().chain(&self.gone) {
            check_player(&self.model, player);
        }
        for player in std::mem::take(&mut self.players) {
            self.stream.leave(&player.cursor);
        }
        assert!(self.stream.renditions.is_empty(), "I22: no rendition without followers");
    }
}

/// One FLV tag as a player sees it.
#[derive(Debug)]
pub struct Tag {
    pub kind: TrackKind,
    pub config: bool,
    pub payload: Vec<u8>,
    pub dts_ms: i64,
}

/// Takes an FLV file apart: `None` at the first tag that is not complete.
pub fn tags(mut bytes: &[u8]) -> Vec<Tag> {
    if bytes.len() < 13 {
        return Vec::new();
    }
    assert_eq!(&bytes[..3], b"FLV");
    bytes = &bytes[13..];
    let mut tags = Vec::new();
    while bytes.len() >= 15 {
        let len = usize::from(bytes[1]) << 16 | usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
        if bytes.len() < 15 + len {
            break;
        }
        let body = &bytes[11..11 + len];
        let dts_ms = i64::from(bytes[7]) << 24
            | i64::from(bytes[4]) << 16
            | i64::from(bytes[5]) << 8
            | i64::from(bytes[6]);
        let size = u32::from_be_bytes(bytes[11 + len..15 + len].try_into().expect("four bytes"));
        assert_eq!(size as usize, 11 + len, "previous tag size");
        match bytes[0] {
            9 => tags.push(Tag {
                kind: TrackKind::Video,
                config: body[1] == 0,
                payload: body[5..].to_vec(),
                dts_ms,
            }),
            8 => tags.push(Tag {
                kind: TrackKind::Audio,
                config: body[1] == 0,
                payload: body[2..].to_vec(),
                dts_ms,
            }),
            other => panic!("tag type {other}"),
        }
        bytes = &bytes[15 + len..];
    }
    tags
}

fn check_player(model: &[Accepted], player: &Player) {
    let mut at: Option<usize> = None;
    let mut first_video = true;
    let mut video_config: Option<Vec<u8>> = None;
    let mut last_ms = [i64::MIN; 2];
    for tag in tags(&player.bytes) {
        if tag.config {
            if tag.kind == TrackKind::Video {
                video_config = Some(tag.payload);
            }
            continue;
        }
        // I1, I6: in order, without repeats, the publisher's bytes.
        let place = model
            .iter()
            .position(|frame| {
                frame.media == tag.kind && frame.kind != FrameKind::Config && frame.payload == tag.payload
            })
            .expect("I6: every frame delivered is one that was accepted");
        if let Some(before) = at {
            assert!(place > before, "I1: frame {place} after frame {before}");
            let missed = model[before + 1..place].iter().any(|frame| frame.kind != FrameKind::Config);
            if missed {
                let resumes_at_key = tag.kind == TrackKind::Video && model[place].kind == FrameKind::Key;
                assert!(resumes_at_key, "I3: a gap ends at a keyframe");
                assert!(!player.prompt, "I4: a player that keeps up misses nothing");
            }
        } else if let Some(key) = player.newest_key {
            assert!(place >= key, "I8: the burst begins at the newest keyframe");
            assert!(place == key || !player.prompt, "I8: and not later, for a player that keeps up");
        }
        if tag.kind == TrackKind::Video {
            assert!(
                !first_video || model[place].kind == FrameKind::Key,
                "I2: the first picture is a keyframe"
            );
            first_video = false;
            let current = model[..place]
                .iter()
                .rev()
                .find(|frame| frame.kind == FrameKind::Config && frame.media == TrackKind::Video)
                .expect("the model begins with a configuration");
            assert_eq!(
                video_config.as_deref(),
                Some(&current.payload[..]),
                "I2, I5: the configuration in force"
            );
        }
        let track = usize::from(tag.kind == TrackKind::Audio);
        assert_eq!(tag.dts_ms, model[place].dts_ms);
        assert!(tag.dts_ms >= last_ms[track], "I9: time never goes back on a track");
        last_ms[track] = tag.dts_ms;
        at = Some(place);
    }
}

fn ring() -> impl Strategy<Value = config::Ring> {
    (4usize..64, prop_oneof![4_100usize..8_000, 8_000usize..60_000], 0u64..400)
        .prop_map(|(frames_max, bytes_max, keep_ms)| config::Ring { frames_max, bytes_max, keep_ms })
}

/// Frame by frame, or several together: time stands still here, so that what waits does so for a picture or a
/// keyframe, or until it fills half of the ring.
fn flush() -> impl Strategy<Value = Flush> {
    prop_oneof![Just(Flush::Frame), Just(Flush::Video), Just(Flush::Ms(100))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn players_get_what_the_model_says(ring in ring(), flush in flush(), ops in vec(op(), 1..200)) {
        let mut world = World::flushing(ring, flush);
        for op in &ops {
            world.apply(op);
        }
        world.finish();
    }

    #[test]
    fn a_player_that_reads_after_every_frame_misses_nothing(flush in flush(), ops in vec(op(), 1..120)) {
        let ring = config::Ring { frames_max: 64, bytes_max: 300_000, keep_ms: 200 };
        let mut world = World::flushing(ring, flush);
        world.apply(&Op::Key(10));
        world.apply(&Op::Join);
        world.apply(&Op::ReadAll(0));
        for op in ops.iter().filter(|op| !matches!(op, Op::Leave(_) | Op::Read(..))) {
            world.apply(op);
            for who in 0..world.players.len() {
                world.apply(&Op::ReadAll(who));
            }
        }
        world.stream.flush(Instant::ZERO);
        world.apply(&Op::ReadAll(0));
        let is_media = |frame: &&Accepted| frame.kind != FrameKind::Config;
        let media = |world: &World| world.model.iter().filter(is_media).count();
        let got = tags(&world.players[0].bytes).iter().filter(|tag| !tag.config).count();
        prop_assert_eq!(got, media(&world));
        world.finish();
    }
}
