//! The ring and its cursors against a naive model: a list of all frames ever accepted, and for each player
//! the bytes that it got, taken apart by a reader of FLV tags that shares nothing with `wire/`.

use crate::base::id::ConnId;
use crate::base::outbox::Outbox;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::{self, Flush, Start, StreamSettings};
use crate::media::codec::Params;
use crate::media::frame::{Codec, Frame, Kind, Role, Track};
use crate::media::timestamp::Timestamp;
use crate::stream::cursor::Cursor;
use crate::stream::follow::Standing;
use crate::stream::live::{Appended, Stream};
use crate::wire::format::Format;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

const PUBLISHER: ConnId = ConnId { index: 0, generation: 0 };

/// What can happen to a stream.
#[derive(Clone, Debug)]
enum Op {
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
        3 => (0usize..400).prop_map(Op::Key),
        8 => (0usize..200).prop_map(Op::Inter),
        6 => (0usize..60).prop_map(Op::Audio),
        1 => (0u8..4).prop_map(Op::Codec),
        1 => Just(Op::Republish),
        2 => Just(Op::Join),
        1 => (0usize..4).prop_map(Op::Leave),
        6 => (0usize..4, 1usize..500).prop_map(|(who, len)| Op::Read(who, len)),
        6 => (0usize..4).prop_map(Op::ReadAll),
    ]
}

/// A frame as the model knows it.
#[derive(Clone, Debug, PartialEq)]
struct Accepted {
    kind: Kind,
    role: Role,
    payload: Bytes,
    dts_ms: i64,
}

struct Player {
    cursor: Cursor,
    own: Outbox,
    bytes: Vec<u8>,
    /// Length of the model when it joined.
    joined_at: usize,
    /// The newest frame to start at when it joined, as a place in the model.
    newest_key: Option<usize>,
    /// True if it has taken everything after every single operation.
    prompt: bool,
}

struct World {
    stream: Stream,
    model: Vec<Accepted>,
    players: Vec<Player>,
    gone: Vec<Player>,
    raw_ms: i64,
    number: u64,
}

fn settings(ring: config::Ring, flush: Flush) -> StreamSettings {
    let play = config::Play { flush, start: Start::NewestKey, ..config::Play::default() };
    StreamSettings { ring, play, ..StreamSettings::default() }
}

impl World {
    fn new(ring: config::Ring) -> Self {
        World::flushing(ring, Flush::Frame)
    }

    fn flushing(ring: config::Ring, flush: Flush) -> Self {
        let mut stream = Stream::new(settings(ring, flush), 1 << 20, 4);
        stream.publish(PUBLISHER, Instant::ZERO);
        let mut world =
            World { stream, model: Vec::new(), players: Vec::new(), gone: Vec::new(), raw_ms: 0, number: 0 };
        world.headers(0);
        world
    }

    fn headers(&mut self, version: u8) {
        self.append(Track::VIDEO, Codec::H264, Role::Config, Bytes::from(vec![b'V', version]));
        self.append(Track::AUDIO, Codec::Aac, Role::Config, Bytes::from_static(b"A"));
    }

    fn media(&mut self, track: Track, codec: Codec, role: Role, len: usize) {
        self.raw_ms += 10;
        self.number += 1;
        let mut payload = self.number.to_be_bytes().to_vec();
        payload.resize(8 + len, 0xaa);
        self.append(track, codec, role, Bytes::from(payload));
    }

    fn append(&mut self, track: Track, codec: Codec, role: Role, payload: Bytes) {
        let dts = Timestamp::from_millis(self.raw_ms);
        let frame = Frame { track, codec, role, sound: 15, dts, cts: 0, payload };
        if let Appended::Accepted(frame, _) = self.stream.append(frame, Instant::ZERO) {
            self.model.push(Accepted {
                kind: frame.track.kind,
                role: frame.role,
                payload: frame.payload,
                dts_ms: frame.dts.as_millis(),
            });
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Key(len) => self.media(Track::VIDEO, Codec::H264, Role::Key, len),
            Op::Inter(len) => self.media(Track::VIDEO, Codec::H264, Role::Inter, len),
            Op::Audio(len) => self.media(Track::AUDIO, Codec::Aac, Role::Key, len),
            Op::Codec(version) => {
                self.append(Track::VIDEO, Codec::H264, Role::Config, Bytes::from(vec![b'V', version]));
                // A new configuration is of use from a keyframe on; encoders send one.
                self.media(Track::VIDEO, Codec::H264, Role::Key, 10);
            }
            Op::Republish => {
                self.stream.publish(PUBLISHER, Instant::ZERO);
                self.raw_ms = 0;
                self.headers(0);
            }
            Op::Join if self.players.len() < 4 => {
                let newest_key = self
                    .stream
                    .is_live()
                    .then(|| {
                        self.model
                            .iter()
                            .rposition(|frame| frame.kind == Kind::Video && frame.role == Role::Key)
                    })
                    .flatten();
                self.players.push(Player {
                    cursor: self.stream.join(Format::Flv),
                    own: Outbox::new(1 << 20),
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
            let standing = self.stream.settle(&mut player.cursor, &mut player.own);
            player.prompt &= standing == Standing::InStep || player.joined_at == self.model.len();
        }
    }

    /// The player takes up to `len` bytes; true if there may be more.
    fn read(&mut self, who: usize, len: usize) -> bool {
        let player = &mut self.players[who];
        let standing = self.stream.settle(&mut player.cursor, &mut player.own);
        assert_ne!(standing, Standing::Lost, "the attic is large enough here");
        if standing == Standing::InStep {
            return false;
        }
        let mut slices = Slices::default();
        self.stream.window(&player.cursor, &player.own, &mut slices);
        assert!(!slices.is_empty(), "who is ready has bytes");
        let own = &slices.as_io_slices()[..slices.own_count()];
        let own: usize = own.iter().map(|slice| slice.len()).sum();
        let rest = player.cursor.partial.map_or(0, |_| slices.as_io_slices()[0].len());
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

    fn finish(mut self) {
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
        assert!(self.stream.logs.is_empty(), "I22: no log without followers");
    }
}

/// One FLV tag as a player sees it.
#[derive(Debug)]
struct Tag {
    kind: Kind,
    config: bool,
    payload: Vec<u8>,
    dts_ms: i64,
}

/// Takes an FLV file apart: `None` at the first tag that is not complete.
fn tags(mut bytes: &[u8]) -> Vec<Tag> {
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
                kind: Kind::Video,
                config: body[1] == 0,
                payload: body[5..].to_vec(),
                dts_ms,
            }),
            8 => tags.push(Tag {
                kind: Kind::Audio,
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
            if tag.kind == Kind::Video {
                video_config = Some(tag.payload);
            }
            continue;
        }
        // I1, I6: in order, without repeats, the publisher's bytes.
        let place = model
            .iter()
            .position(|frame| {
                frame.kind == tag.kind && frame.role != Role::Config && frame.payload == tag.payload
            })
            .expect("I6: every frame delivered is one that was accepted");
        if let Some(before) = at {
            assert!(place > before, "I1: frame {place} after frame {before}");
            let missed = model[before + 1..place].iter().any(|frame| frame.role != Role::Config);
            if missed {
                let resumes_at_key = tag.kind == Kind::Video && model[place].role == Role::Key;
                assert!(resumes_at_key, "I3: a gap ends at a keyframe");
                assert!(!player.prompt, "I4: a player that keeps up misses nothing");
            }
        } else if let Some(key) = player.newest_key {
            assert!(place >= key, "I8: the burst begins at the newest keyframe");
            assert!(place == key || !player.prompt, "I8: and not later, for a player that keeps up");
        }
        if tag.kind == Kind::Video {
            assert!(!first_video || model[place].role == Role::Key, "I2: the first picture is a keyframe");
            first_video = false;
            let current = model[..place]
                .iter()
                .rev()
                .find(|frame| frame.role == Role::Config && frame.kind == Kind::Video)
                .expect("the model begins with a configuration");
            assert_eq!(
                video_config.as_deref(),
                Some(&current.payload[..]),
                "I2, I5: the configuration in force"
            );
        }
        let track = usize::from(tag.kind == Kind::Audio);
        assert_eq!(tag.dts_ms, model[place].dts_ms);
        assert!(tag.dts_ms >= last_ms[track], "I9: time never goes back on a track");
        last_ms[track] = tag.dts_ms;
        at = Some(place);
    }
}

fn ring() -> impl Strategy<Value = config::Ring> {
    (4usize..64, 1_000usize..8_000, 0u64..400).prop_map(|(frames_max, bytes_max, keep_ms)| config::Ring {
        frames_max,
        bytes_max,
        keep_ms,
    })
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
        let ring = config::Ring { frames_max: 64, bytes_max: 100_000, keep_ms: 200 };
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
        let media = |world: &World| world.model.iter().filter(|frame| frame.role != Role::Config).count();
        let got = tags(&world.players[0].bytes).iter().filter(|tag| !tag.config).count();
        prop_assert_eq!(got, media(&world));
        world.finish();
    }
}

#[test]
fn a_player_in_the_middle_of_a_frame_gets_the_rest_of_it_after_the_ring_has_moved_on() {
    let mut world = World::new(config::Ring { frames_max: 4, bytes_max: 1_000, keep_ms: 0 });
    world.apply(&Op::Key(300));
    world.apply(&Op::Join);
    world.apply(&Op::Read(0, 100));
    for _ in 0..8 {
        world.apply(&Op::Key(300));
    }
    world.apply(&Op::ReadAll(0));
    let got: Vec<u64> = tags(&world.players[0].bytes)
        .iter()
        .filter(|tag| !tag.config)
        .map(|tag| u64::from_be_bytes(tag.payload[..8].try_into().expect("eight bytes")))
        .collect();
    assert_eq!(got, [1, 9], "the frame that was begun, then the newest keyframe");
    assert_eq!(world.players[0].cursor.dropped, 7);
    world.finish();
}

/// The ring forgot the only place to go on at, and more before the next one came.
#[test]
fn a_player_is_told_of_all_that_it_was_denied_before_it_could_go_on() {
    let mut world = World::new(config::Ring { frames_max: 4, bytes_max: 1_000, keep_ms: 0 });
    world.apply(&Op::Key(100));
    world.apply(&Op::Join);
    world.apply(&Op::ReadAll(0));
    let inters = |world: &mut World, count| (0..count).for_each(|_| world.apply(&Op::Inter(100)));
    inters(&mut world, 8);
    world.apply(&Op::ReadAll(0));
    inters(&mut world, 5);
    world.apply(&Op::Key(100));
    world.apply(&Op::ReadAll(0));
    let got = tags(&world.players[0].bytes).iter().filter(|tag| !tag.config).count();
    assert_eq!((got, world.players[0].cursor.dropped), (2, 13), "two keyframes, and 13 pictures in between");
    world.finish();
}

#[test]
fn a_stalled_player_is_cut_off_when_the_attic_overflows() {
    let mut stream = Stream::new(
        settings(config::Ring { frames_max: 2, bytes_max: 1_000, keep_ms: 0 }, Flush::Frame),
        100,
        4,
    );
    stream.publish(PUBLISHER, Instant::ZERO);
    let mut world =
        World { stream, model: Vec::new(), players: Vec::new(), gone: Vec::new(), raw_ms: 0, number: 0 };
    world.headers(0);
    world.apply(&Op::Key(300));
    world.apply(&Op::Join);
    world.read(0, 100);
    for _ in 0..4 {
        world.media(Track::VIDEO, Codec::H264, Role::Key, 300);
    }
    let player = &mut world.players[0];
    assert_eq!(world.stream.settle(&mut player.cursor, &mut player.own), Standing::Lost);
}

#[test]
fn sound_alone_is_a_stream_that_can_be_joined_anywhere() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    // The video configuration of `World::new` makes it a stream with pictures; start over without one.
    world.stream.publish(PUBLISHER, Instant::ZERO);
    world.append(Track::AUDIO, Codec::Aac, Role::Config, Bytes::from_static(b"A"));
    assert!(!world.stream.is_live(), "its tracks are not known yet");
    for _ in 0..60 {
        world.media(Track::AUDIO, Codec::Aac, Role::Key, 20);
    }
    assert!(world.stream.is_live(), "after half a second of sound, pictures are late");
    world.apply(&Op::Join);
    world.apply(&Op::ReadAll(0));
    assert_eq!(tags(&world.players[0].bytes).len(), 2, "a configuration and the newest frame");
    assert_eq!(world.players[0].bytes[4], 4, "the FLV head promises sound and nothing else");
}

#[test]
fn a_player_that_goes_on_after_a_pause_sees_nothing_twice() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 100_000, keep_ms: 1_000 });
    let picture = |world: &mut World, role| world.media(Track::VIDEO, Codec::H264, role, 20);
    picture(&mut world, Role::Key);
    (0..5).for_each(|_| picture(&mut world, Role::Inter));
    world.apply(&Op::Join);
    world.apply(&Op::ReadAll(0));
    let pause = |world: &mut World, on: bool| {
        let player = &mut world.players[0];
        world.stream.deliver(&mut player.cursor, !on, !on);
    };
    pause(&mut world, true);
    picture(&mut world, Role::Inter);
    pause(&mut world, false);
    world.apply(&Op::ReadAll(0));
    picture(&mut world, Role::Key);
    world.apply(&Op::ReadAll(0));
    let media: Vec<i64> =
        tags(&world.players[0].bytes).iter().filter(|tag| !tag.config).map(|tag| tag.dts_ms).collect();
    // The six pictures so far, and the next keyframe: the one missed cannot be shown without its GOP.
    assert_eq!(media, [10, 20, 30, 40, 50, 60, 80], "I1, I9: simulator seed 83");
}

#[test]
fn a_transport_stream_of_sound_alone_is_joined_where_its_tables_stand() {
    let mut world = World::new(config::Ring { frames_max: 1_000, bytes_max: 100_000, keep_ms: 1_000 });
    world.stream.publish(PUBLISHER, Instant::ZERO);
    world.append(Track::AUDIO, Codec::Aac, Role::Config, Bytes::from_static(&[0x12, 0x10]));
    let begins = |world: &mut World| {
        let (mut cursor, mut own) = (world.stream.join(Format::Ts), Outbox::new(1 << 20));
        let mut frames = 0;
        while world.stream.settle(&mut cursor, &mut own) == Standing::InStep {
            world.media(Track::AUDIO, Codec::Aac, Role::Key, 20);
            frames += 1;
        }
        let mut slices = Slices::default();
        world.stream.window(&cursor, &own, &mut slices);
        let first = slices.as_io_slices()[0].to_vec();
        assert_eq!(first[..3], [0x47, 0x40, 0], "a program association comes first");
        frames
    };
    begins(&mut world);
    for _ in 0..75 {
        world.media(Track::AUDIO, Codec::Aac, Role::Key, 20);
    }
    // Who comes while others play is not alone in what is laid out: tables stand there twice a second.
    assert!(begins(&mut world) <= 50);
}

#[test]
fn a_small_ring_is_shown_before_it_forgets() {
    let ring = config::Ring { frames_max: 16, bytes_max: 10_000, keep_ms: 0 };
    let play = config::Play { flush: Flush::Ms(60_000), ..config::Play::default() };
    let mut stream = Stream::new(StreamSettings { ring, play, ..StreamSettings::default() }, 1 << 20, 4);
    stream.publish(PUBLISHER, Instant::ZERO);
    let (mut cursor, mut own, mut got) = (None, Outbox::new(1 << 20), Vec::new());
    for number in 0..200_u8 {
        let mark = stream.flushed();
        let dts = Timestamp::from_millis(i64::from(number) * 20);
        let payload = Bytes::from(vec![number; 30]);
        let (track, codec, role) = (Track::AUDIO, Codec::Mp3, Role::Key);
        stream.append(Frame { track, codec, role, sound: 15, dts, cts: 0, payload }, Instant::ZERO);
        let cursor = cursor.get_or_insert_with(|| stream.join(Format::Mp3));
        if stream.has_flushed_since(mark) {
            stream.settle(cursor, &mut own);
            let mut slices = Slices::default();
            stream.window(cursor, &own, &mut slices);
            slices.as_io_slices().iter().for_each(|slice| got.extend_from_slice(slice));
            let len = slices.len();
            stream.sent(cursor, &mut own, len);
        }
    }
    got.dedup();
    let all: Vec<u8> = (0..200).collect();
    assert!(got.len() >= 192 && all.starts_with(&got), "frames that nobody was shown are lost: {got:?}");
}

#[test]
fn a_stream_that_nobody_plays_wakes_nobody() {
    let ring = config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 };
    let mut stream = Stream::new(StreamSettings { ring, ..StreamSettings::default() }, 1 << 20, 4);
    stream.publish(PUBLISHER, Instant::ZERO);
    let append = |stream: &mut Stream, track, codec, role| {
        let payload = Bytes::from_static(b"payload");
        let frame = Frame { track, codec, role, sound: 15, dts: Timestamp(0), cts: 0, payload };
        stream.append(frame, Instant::ZERO);
    };
    append(&mut stream, Track::VIDEO, Codec::H264, Role::Config);
    append(&mut stream, Track::VIDEO, Codec::H264, Role::Key);
    append(&mut stream, Track::AUDIO, Codec::Aac, Role::Key);
    assert_eq!((stream.pace().wake_at(), stream.flushed()), (None, stream.head()));
    let cursor = stream.join(Format::Flv);
    append(&mut stream, Track::AUDIO, Codec::Aac, Role::Key);
    assert!(stream.pace().wake_at().is_some(), "sound rides along with the next picture, or leaves alone");
    assert_eq!(stream.flushed(), stream.head() - 1);
    stream.leave(&cursor);
    append(&mut stream, Track::AUDIO, Codec::Aac, Role::Key);
    assert_eq!((stream.pace().wake_at(), stream.flushed()), (None, stream.head()));
}

#[test]
fn pictures_before_the_first_keyframe_are_refused() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    world.apply(&Op::Inter(10));
    world.apply(&Op::Inter(10));
    assert_eq!(world.stream.counters().refused_frames, 2);
    world.apply(&Op::Key(10));
    world.apply(&Op::Inter(10));
    assert_eq!(world.stream.counters().video_frames, 2);
}

#[test]
fn a_frame_that_is_larger_than_the_ring_is_refused_and_the_ring_stays() {
    let mut stream = Stream::new(
        settings(config::Ring { frames_max: 9, bytes_max: 1_000, keep_ms: 0 }, Flush::Frame),
        100,
        4,
    );
    stream.publish(PUBLISHER, Instant::ZERO);
    let mut append = |role, len| {
        let (codec, dts) = (Codec::H264, Timestamp::ZERO);
        let frame =
            Frame { track: Track::VIDEO, codec, role, sound: 15, dts, cts: 0, payload: vec![7; len].into() };
        stream.append(frame, Instant::ZERO)
    };
    assert!(matches!(append(Role::Key, 1_000), Appended::Accepted(..)));
    assert!(matches!(append(Role::Inter, 1_001), Appended::TooLarge));
    assert_eq!(stream.ring.bytes(), 1_000);
}

#[test]
fn start_codes_of_a_careless_encoder_become_lengths() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    world.append(
        Track::VIDEO,
        Codec::H264,
        Role::Config,
        Bytes::from_static(&[0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 0xce]),
    );
    world.append(Track::VIDEO, Codec::H264, Role::Key, Bytes::from_static(&[0, 0, 1, 0x65, 0x88, 0x84]));
    let payloads: Vec<&[u8]> =
        world.model.iter().rev().take(2).rev().map(|frame| &frame.payload[..]).collect();
    let record = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce];
    assert_eq!(payloads, [&record[..], &[0, 0, 0, 3, 0x65, 0x88, 0x84]]);
}

#[test]
fn the_first_keyframe_tells_a_size_that_the_configuration_leaves_out() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    let config = [0, 21, 0x82, 2, 2, 2, 0, 0];
    world.append(Track::VIDEO, Codec::Vp9, Role::Config, Bytes::copy_from_slice(&config));
    // The beginning of a keyframe of 642 x 362 pixels.
    let key = [0x82, 0x49, 0x83, 0x42, 0x00, 0x28, 0x10, 0x16, 0x96, 0x06];
    world.append(Track::VIDEO, Codec::Vp9, Role::Key, Bytes::copy_from_slice(&key));
    let number = world.stream.headers().number;
    let info = world.stream.headers().track(Track::VIDEO).expect("a track").clone();
    assert_eq!(info.config.expect("the configuration stays").payload[..], config);
    let Some(Params::Video(video)) = info.params else { panic!("pictures") };
    assert_eq!((video.width, video.height, video.rfc6381.as_str()), (642, 362, "vp09.00.21.08"));
    world.append(Track::VIDEO, Codec::Vp9, Role::Key, Bytes::copy_from_slice(&key));
    assert_eq!(world.stream.headers().number, number, "a second keyframe changes nothing");
}
