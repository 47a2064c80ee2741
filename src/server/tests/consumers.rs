//! A consumer that takes few frames at a time: what it gets, and that others are served as without it.

use super::harness::World;
use super::quick;
use crate::base::id::ConnId;
use crate::config::{Config, Second};
use crate::package::tests::slow::{Slow, Told};
use crate::package::{AnyConsumer, Consumer};
use crate::server::hosted::{Consumed, Hosted};
use std::time::Duration;

const FLV: &str = "GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n";

fn config() -> Config {
    let mut config = quick();
    config.stream.hls.enabled = false;
    config
}

/// A publisher whose stream has a consumer that takes `batch` frames and pauses.
fn consumed(config: Config, batch: usize, pause_ms: u64) -> (World, ConnId) {
    let mut world = World::new(config);
    let publisher = world.publisher("cam");
    add(&mut world, Slow::new(batch, Duration::from_millis(pause_ms), false));
    (world, publisher)
}

fn add(world: &mut World, consumer: Slow) {
    world.change(|server| {
        let key = server.streams.iter().next().expect("it is published").1;
        let hosted = server.streams.get_mut(key).expect("it was just found");
        hosted.add_consumer(AnyConsumer::Slow(Box::new(consumer)));
    });
}

fn hosted(world: &World) -> Option<&Hosted> {
    world.server().streams.iter().next().map(|(_, _, hosted)| hosted)
}

fn slow(world: &World) -> Option<(&Consumed, &Slow)> {
    let mut consumers = hosted(world)?.consumers.iter();
    consumers.find_map(|consumed| match &consumed.consumer {
        AnyConsumer::Slow(slow) => Some((consumed, &**slow)),
        AnyConsumer::Hls(_) => None,
    })
}

/// What the consumer was told: numbers of frames, `config` for the headers of a track, and the rest in words.
fn told(world: &World) -> Vec<String> {
    let told = slow(world).map_or(&[][..], |(_, slow)| &slow.told);
    let text = |told: &Told| match told {
        Told::Frame(payload, _) if payload.starts_with(b"frame-") => {
            String::from_utf8_lossy(&payload[6..]).into_owned()
        }
        Told::Frame(..) => "config".to_owned(),
        Told::Publishing(true) => "on".to_owned(),
        Told::Publishing(false) => "off".to_owned(),
        Told::Gap => "gap".to_owned(),
    };
    told.iter().map(text).collect()
}

#[test]
fn a_consumer_gets_every_frame_that_the_ring_holds_in_batches_as_it_is_ready() {
    let mut config = config();
    config.stream.ring.keep_ms = 60_000;
    let (mut world, publisher) = consumed(config, 2, 1_000);
    world.gop(publisher, 0, 5);
    assert_eq!(told(&world), ["0", "1"]);
    world.pass(Duration::from_millis(999));
    assert_eq!(told(&world), ["0", "1"], "it pauses");
    world.pass(Duration::from_millis(1));
    assert_eq!(told(&world), ["0", "1", "2", "3"]);
    world.pass(Duration::from_millis(5_000));
    assert_eq!(told(&world), ["0", "1", "2", "3", "4"]);
    world.gop(publisher, 5, 1);
    assert_eq!(told(&world), ["0", "1", "2", "3", "4", "5"]);
}

/// 25 frames come in a second, and it takes three.
#[test]
fn a_slow_consumer_delays_nothing_holds_little_and_goes_on_at_the_newest_keyframe() {
    let run = |is_slow: bool| {
        let mut world = World::new(config());
        let publisher = world.publisher("cam");
        if is_slow {
            add(&mut world, Slow::new(3, Duration::from_secs(1), false));
        }
        let flv = world.http(FLV);
        let (mut held, mut known) = (Vec::new(), 0);
        for gop in 0..100 {
            world.gop(publisher, gop * 5, 5);
            let own = slow(&world).map_or(0, |(_, slow)| slow.bytes());
            assert!(own <= 3 * b"frame-000".len(), "it holds a batch at most");
            held.push(world.server().usage().bytes - own as u64);
            world.pass(Duration::from_millis(200));
            let told = told(&world);
            if let Some(at) = told[known..].iter().position(|word| word == "gap") {
                assert_eq!(told[known + at + 1], (gop * 5).to_string(), "the newest keyframe");
            }
            known = told.len();
        }
        (world.sent(flv), held, world)
    };
    let ((sent, held, _), (sent_beside, held_beside, world)) = (run(false), run(true));
    assert!(sent == sent_beside, "a player gets the same bytes at the same time");
    assert_eq!(held, held_beside, "the stream holds no more for it");

    let (consumed, slow) = slow(&world).expect("it is still there");
    let numbers = told(&world).iter().filter_map(|word| word.parse::<u64>().ok()).collect::<Vec<u64>>();
    assert!(numbers.is_sorted_by(|one, next| one < next), "each frame once, in order: {numbers:?}");
    let gaps = slow.told.iter().filter(|told| **told == Told::Gap).count();
    assert!(gaps >= 15, "it is told of each gap: {gaps}");
    for (at, _) in slow.told.iter().enumerate().filter(|(_, told)| **told == Told::Gap) {
        assert!(matches!(slow.told[at + 1], Told::Frame(_, true)), "a gap ends at a keyframe");
    }
    let head = hosted(&world).expect("it is published").stream.head();
    // The headers of the track came before the consumer.
    assert_eq!(consumed.next - 1, numbers.len() as u64 + consumed.dropped);
    assert!(consumed.dropped > head / 2, "{} of {head} frames were lost", consumed.dropped);
}

#[test]
fn a_consumer_that_fell_behind_waits_for_a_keyframe_where_the_ring_holds_none() {
    let mut config = config();
    config.stream.ring.frames_max = 4;
    let (mut world, publisher) = consumed(config, 1, 1_000);
    world.gop(publisher, 0, 10);
    world.pass(Duration::from_secs(2));
    assert_eq!(told(&world), ["0", "gap"]);
    world.gop(publisher, 10, 1);
    assert_eq!(told(&world), ["0", "gap", "10"]);
    let (consumed, _) = slow(&world).expect("it is there");
    assert_eq!((consumed.dropped, consumed.lost), (9, false));
}

#[test]
fn publishers_come_and_go_between_the_frames_where_they_did() {
    for second in [Second::Refuse, Second::Replace] {
        let mut config = config();
        config.stream.ring.keep_ms = 60_000;
        config.stream.publish.second = second;
        let (mut world, publisher) = consumed(config, 2, 1_000);
        world.gop(publisher, 0, 5);
        if second == Second::Refuse {
            world.hang_up(publisher);
        }
        let publisher = world.publisher("cam");
        world.gop(publisher, 5, 2);
        assert_eq!(told(&world), ["0", "1"], "{second:?}");
        world.pass(Duration::from_secs(5));
        let before = ["0", "1", "2", "3", "4"];
        let between: &[&str] = if second == Second::Refuse { &["off", "on"] } else { &["on"] };
        let expected = [&before[..], between, &["config", "5", "6"]].concat();
        assert_eq!(told(&world), expected, "{second:?}");
    }
}

#[test]
fn publishers_that_come_and_go_while_a_consumer_pauses_are_told_in_short() {
    // Without a frame: one that leaves is as good as the one before.
    let mut config = config();
    config.stream.ring.frames_max = 8;
    let (mut world, publisher) = consumed(config, 1, 1_000_000);
    world.gop(publisher, 0, 3);
    world.hang_up(publisher);
    for _ in 0..100 {
        let publisher = world.silent_publisher("cam");
        world.hang_up(publisher);
    }
    let last = world.silent_publisher("cam");
    assert_eq!(told(&world), ["0"]);
    assert_eq!(slow(&world).expect("it is there").0.changes, [(4, false), (4, true)]);

    // With frames: what happened among those that are lost is told in two words.
    world.hang_up(last);
    for number in 0..100 {
        let publisher = world.publisher("cam");
        world.gop(publisher, number, 1);
        world.hang_up(publisher);
        let (consumed, _) = slow(&world).expect("it is there");
        assert!(consumed.changes.len() <= 2 * 8 + 2, "{:?}", consumed.changes);
    }
    assert_eq!(told(&world), ["0"]);
}

#[test]
fn a_consumer_gets_the_rest_of_a_stream_that_has_ended_and_then_nothing_is_left() {
    let mut config = config();
    config.stream.publish.linger_ms = 0;
    let mut world = World::new(config);
    let publisher = world.publisher("cam");
    add(&mut world, Slow::new(2, Duration::from_secs(1), true));
    world.gop(publisher, 0, 7);
    world.hang_up(publisher);
    assert_eq!(told(&world), ["0", "1"]);
    world.pass(Duration::from_millis(2_500));
    assert_eq!(told(&world), ["0", "1", "2", "3", "4", "5"]);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.server().streams.len(), 0, "its last file was stored");
    assert_eq!(world.server().deadline(), None, "L6");
}
