//! What a stream and its players do, case by case.

mod model;

use crate::base::limit::Limit;
use crate::base::outbox::Outbox;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::{self, Flush, StreamSettings};
use crate::media::codec::Params;
use crate::media::frame::{Codec, Frame, FrameKind, Track};
use crate::media::timestamp::Timestamp;
use crate::stream::ingest::{Appended, Stream};
use crate::stream::playback::Readiness;
use crate::wire::format::Container;
use bytes::Bytes;
use model::{Op, PUBLISHER, World, settings, tags};

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
fn a_stalled_player_is_cut_off_when_pinned_frames_are_too_many() {
    let mut stream = Stream::new(
        settings(config::Ring { frames_max: 2, bytes_max: 1_000, keep_ms: 0 }, Flush::Frame),
        100,
        4,
    );
    stream.publish(PUBLISHER, Instant::ZERO);
    let mut world =
        World { stream, model: Vec::new(), players: Vec::new(), gone: Vec::new(), raw_ms: 0, number: 0 };
    world.stream_info(0);
    world.apply(&Op::Key(300));
    world.apply(&Op::Join);
    world.read(0, 100);
    for _ in 0..4 {
        world.media(Track::VIDEO, Codec::H264, FrameKind::Key, 300);
    }
    let player = &mut world.players[0];
    assert_eq!(world.stream.advance(&mut player.cursor, &mut player.own), Readiness::Lost);
}

#[test]
fn sound_alone_is_a_stream_that_can_be_joined_anywhere() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    // The video configuration of `World::new` makes it a stream with pictures; start over without one.
    world.stream.publish(PUBLISHER, Instant::ZERO);
    world.append(Track::AUDIO, Codec::Aac, FrameKind::Config, Bytes::from_static(b"A"));
    assert!(!world.stream.is_live(), "its tracks are not known yet");
    for _ in 0..60 {
        world.media(Track::AUDIO, Codec::Aac, FrameKind::Key, 20);
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
    let picture = |world: &mut World, kind| world.media(Track::VIDEO, Codec::H264, kind, 20);
    picture(&mut world, FrameKind::Key);
    (0..5).for_each(|_| picture(&mut world, FrameKind::Inter));
    world.apply(&Op::Join);
    world.apply(&Op::ReadAll(0));
    let pause = |world: &mut World, on: bool| {
        let player = &mut world.players[0];
        world.stream.select_tracks(&mut player.cursor, !on, !on);
    };
    pause(&mut world, true);
    picture(&mut world, FrameKind::Inter);
    pause(&mut world, false);
    world.apply(&Op::ReadAll(0));
    picture(&mut world, FrameKind::Key);
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
    world.append(Track::AUDIO, Codec::Aac, FrameKind::Config, Bytes::from_static(&[0x12, 0x10]));
    let begins = |world: &mut World| {
        let (mut cursor, mut own) =
            (world.stream.join(Container::Ts.bare()), Outbox::new(1 << 20, Limit::OutboxBytes));
        let mut frames = 0;
        while world.stream.advance(&mut cursor, &mut own) == Readiness::CaughtUp {
            world.media(Track::AUDIO, Codec::Aac, FrameKind::Key, 20);
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
        world.media(Track::AUDIO, Codec::Aac, FrameKind::Key, 20);
    }
    // A player that joins others finds entries in what is laid out: tables stand there twice a second.
    assert!(begins(&mut world) <= 50);
}

#[test]
fn a_small_ring_is_shown_before_it_forgets() {
    let ring = config::Ring { frames_max: 16, bytes_max: 10_000, keep_ms: 0 };
    let play = config::Play { flush: Flush::Ms(60_000), ..config::Play::default() };
    let mut stream = Stream::new(StreamSettings { ring, play, ..StreamSettings::default() }, 1 << 20, 4);
    stream.publish(PUBLISHER, Instant::ZERO);
    let (mut cursor, mut own, mut got) = (None, Outbox::new(1 << 20, Limit::OutboxBytes), Vec::new());
    for number in 0..200_u8 {
        let mark = stream.flushed();
        let dts = Timestamp::from_millis(i64::from(number) * 20);
        let payload = Bytes::from(vec![number; 30]);
        let (track, codec, kind) = (Track::AUDIO, Codec::Mp3, FrameKind::Key);
        stream.append(Frame { track, codec, kind, sound: 15, dts, cts: 0, payload }, Instant::ZERO);
        let cursor = cursor.get_or_insert_with(|| stream.join(Container::Mp3.bare()));
        if stream.has_flushed_since(mark) {
            stream.advance(cursor, &mut own);
            let mut slices = Slices::default();
            stream.window(cursor, &own, &mut slices);
            slices.as_io_slices().iter().for_each(|slice| got.extend_from_slice(slice));
            let len = slices.len();
            stream.sent(cursor, &mut own, len);
        }
    }
    got.dedup();
    let all: Vec<u8> = (0..200).collect();
    assert!(got.len() >= 192 && all.starts_with(&got), "frames that no player was shown are lost: {got:?}");
}

#[test]
fn a_stream_that_nobody_plays_wakes_nobody() {
    let ring = config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 };
    let mut stream = Stream::new(StreamSettings { ring, ..StreamSettings::default() }, 1 << 20, 4);
    stream.publish(PUBLISHER, Instant::ZERO);
    let append = |stream: &mut Stream, track, codec, kind| {
        let payload = Bytes::from_static(b"payload");
        let frame = Frame { track, codec, kind, sound: 15, dts: Timestamp(0), cts: 0, payload };
        stream.append(frame, Instant::ZERO);
    };
    append(&mut stream, Track::VIDEO, Codec::H264, FrameKind::Config);
    append(&mut stream, Track::VIDEO, Codec::H264, FrameKind::Key);
    append(&mut stream, Track::AUDIO, Codec::Aac, FrameKind::Key);
    assert_eq!((stream.flusher().wake_at(), stream.flushed()), (None, stream.head()));
    let cursor = stream.join(Container::Flv.bare());
    append(&mut stream, Track::AUDIO, Codec::Aac, FrameKind::Key);
    assert!(stream.flusher().wake_at().is_some(), "sound rides along with the next picture, or leaves alone");
    assert_eq!(stream.flushed(), stream.head() - 1);
    stream.leave(&cursor);
    append(&mut stream, Track::AUDIO, Codec::Aac, FrameKind::Key);
    assert_eq!((stream.flusher().wake_at(), stream.flushed()), (None, stream.head()));
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
    let mut append = |kind, len| {
        let (codec, dts) = (Codec::H264, Timestamp::ZERO);
        let frame =
            Frame { track: Track::VIDEO, codec, kind, sound: 15, dts, cts: 0, payload: vec![7; len].into() };
        stream.append(frame, Instant::ZERO)
    };
    assert!(matches!(append(FrameKind::Key, 1_000), Appended::Accepted));
    assert!(matches!(append(FrameKind::Inter, 1_001), Appended::TooLarge));
    assert_eq!(stream.ring.bytes(), 1_000);
}

#[test]
fn start_codes_of_a_careless_encoder_become_lengths() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    world.append(
        Track::VIDEO,
        Codec::H264,
        FrameKind::Config,
        Bytes::from_static(&[0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 0xce]),
    );
    world.append(Track::VIDEO, Codec::H264, FrameKind::Key, Bytes::from_static(&[0, 0, 1, 0x65, 0x88, 0x84]));
    let payloads: Vec<&[u8]> =
        world.model.iter().rev().take(2).rev().map(|frame| &frame.payload[..]).collect();
    let record = [1, 66, 0, 30, 0xff, 0xe1, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce];
    assert_eq!(payloads, [&record[..], &[0, 0, 0, 3, 0x65, 0x88, 0x84]]);
}

#[test]
fn the_first_keyframe_tells_a_size_that_the_configuration_leaves_out() {
    let mut world = World::new(config::Ring { frames_max: 100, bytes_max: 10_000, keep_ms: 1_000 });
    let config = [0, 21, 0x82, 2, 2, 2, 0, 0];
    world.append(Track::VIDEO, Codec::Vp9, FrameKind::Config, Bytes::copy_from_slice(&config));
    // The beginning of a keyframe of 642 x 362 pixels.
    let key = [0x82, 0x49, 0x83, 0x42, 0x00, 0x28, 0x10, 0x16, 0x96, 0x06];
    world.append(Track::VIDEO, Codec::Vp9, FrameKind::Key, Bytes::copy_from_slice(&key));
    let number = world.stream.info().number;
    let info = world.stream.info().track(Track::VIDEO).expect("a track").clone();
    assert_eq!(info.config.expect("the configuration stays").payload[..], config);
    let Some(Params::Video(video)) = info.params else { panic!("pictures") };
    assert_eq!((video.width, video.height, video.rfc6381.as_str()), (642, 362, "vp09.00.21.08"));
    world.append(Track::VIDEO, Codec::Vp9, FrameKind::Key, Bytes::copy_from_slice(&key));
    assert_eq!(world.stream.info().number, number, "a second keyframe changes nothing");
}
