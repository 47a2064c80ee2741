//! A clone of a server, and a server that was saved and loaded, behave as the original, to the byte.

use super::chaos::{Cast, Op, config, op};
use super::harness::World;
use crate::config::{Flush, Second};
use crate::server::Server;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn a_copy_may_go_to_another_thread() {
    fn is_copied_and_sent<T: Clone + Send + 'static>() {}
    is_copied_and_sent::<Server>();
}

pub const PUBLISHER: &[u8] =
    include_bytes!("../../../fixtures/captures/rtmp/ffmpeg-5.1-publish-start/client.bin");

/// What FFmpeg sends is packaged too, its connection breaks, and it comes back within the time to linger.
#[test]
fn copies_go_on_at_every_stage_of_a_real_stream() {
    let mut config = config(Second::Refuse, Flush::Video, 400);
    config.stream.hls.segment_ms = 300;
    config.stream.hls.encrypt = true;
    config.stream.publish.linger_ms = 5_000;
    let mut world = World::new(config);
    for path in [".flv", ".ts", "/index.m3u8"] {
        world.http(&format!("GET /live/cam1{path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    world.rtmp_player("cam1");
    let mut copies: Vec<World> = Vec::new();
    let mut shown = false;
    for _ in 0..2 {
        let publisher = world.stranger();
        copies.iter_mut().for_each(|copy| assert_eq!(copy.stranger(), publisher));
        for bytes in PUBLISHER.chunks(480) {
            copies.push(world.clone());
            let mut loaded = world.clone();
            loaded.replace_server(Server::load(&world.server().save()).expect("it was just saved"));
            copies.push(loaded);
            for world in copies.iter_mut().chain([&mut world]) {
                world.receive(publisher, bytes);
                world.pass(Duration::from_millis(60));
            }
        }
        for world in copies.iter_mut().chain([&mut world]) {
            world.hang_up(publisher);
            world.pass(Duration::from_millis(900));
            let conn = world.http("GET /live/cam1/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n");
            shown |= String::from_utf8_lossy(&world.sent(conn)).contains(".ts");
        }
        for copy in &copies {
            assert_eq!(copy.trace(), world.trace());
            assert_eq!(copy.server().deadline(), world.server().deadline());
        }
    }
    assert!(shown, "there were segments");
}

/// A world in the middle of all sorts of things.
fn busy() -> World {
    let mut config = config(Second::Refuse, Flush::Video, 40);
    config.stream.hls.encrypt = true;
    config.streams = vec![ron::from_str("(pattern: \"live/c*\", hls: (segment_ms: Some(300)))").unwrap()];
    let mut world = World::new(config);
    let mut cast = Cast::default();
    let ops = [
        Op::Publisher(0),
        Op::Http(0, 0),
        Op::Http(0, 1),
        Op::Http(0, 4),
        Op::WebSocket(0),
        Op::RtmpPlayer(0),
        Op::RtmpPlayer(1),
        Op::Gop(0, 5),
        Op::Allow(1, 7),
        Op::Gop(0, 3),
        Op::Gop(0, 3),
        Op::Stranger(vec![3, 0, 0]),
        Op::Half(0),
    ];
    ops.iter().for_each(|op| cast.play(&mut world, op));
    world
}

#[test]
fn what_is_saved_is_loaded() {
    let server = busy().server().clone();
    let saved = server.save();
    let loaded = Server::load(&saved).expect("it was just saved");
    let told =
        |server: &Server| format!("{:?} {:?} {:?}", server.peers, server.streams, server.queues.timers);
    assert_eq!(told(&loaded), told(&server));
    assert!(loaded.save() == saved);
}

#[test]
fn what_is_no_saved_server_is_refused_in_words() {
    let saved = busy().server().save();
    let told = |bytes: &[u8]| Server::load(bytes).expect_err("it is none").to_string();
    assert_eq!(told(b"FLV\x01"), "not a saved server");
    assert_eq!(told(b""), "not a saved server");
    assert!(told(b"dacapo server 2 SECRET\n").contains("it reads format 1"));
    for at in (super::super::save::LINE_BYTES..saved.len()).step_by(97) {
        let mut damaged = saved.clone();
        damaged[at] ^= 4;
        assert_eq!(told(&damaged), "the saved server is damaged");
        assert_eq!(told(&saved[..at]), "the saved server is damaged");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn copies_go_on_like_the_original(
        before in vec(op(), 1..60),
        after in vec(op(), 1..40),
        replace: bool,
        flush in prop_oneof![Just(Flush::Frame), Just(Flush::Video), Just(Flush::Auto), Just(Flush::Ms(100))],
        frames_max in 2usize..40,
        encrypt: bool,
    ) {
        let second = if replace { Second::Replace } else { Second::Refuse };
        let mut config = config(second, flush, frames_max);
        config.stream.hls.encrypt = encrypt;
        let (mut world, mut cast) = (World::new(config), Cast::default());
        before.iter().for_each(|op| cast.play(&mut world, op));
        let mut copies = [world.clone(), world.clone()];
        copies[1].replace_server(Server::load(&world.server().save()).expect("it was just saved"));
        let ends = [Op::Pass(500), Op::Publisher(0), Op::Gop(9, 4), Op::Pass(20_000)];
        let mut casts = [cast.clone(), cast.clone()];
        for op in after.iter().chain(&ends) {
            cast.play(&mut world, op);
            for (copy, cast) in copies.iter_mut().zip(&mut casts) {
                cast.play(copy, op);
                prop_assert_eq!(copy.trace(), world.trace());
                prop_assert_eq!(copy.server().deadline(), world.server().deadline());
            }
        }
        prop_assert!(copies[1].server().save() == world.server().save(), "nothing is different inside");
    }

    /// Whole by its checksum, and anything inside: refused, or a server; never a panic, never much memory.
    #[test]
    fn made_up_bytes_do_no_harm(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        whole: bool,
    ) {
        let mut bytes = BUSY.with(Vec::clone);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        super::super::save::seal(&mut bytes);
        let len = bytes.len() as u64;
        let info = allocation_counter::measure(|| drop(Server::load(&bytes)));
        prop_assert!(info.bytes_max < 16 * len + (4 << 20), "{} bytes for {len}", info.bytes_max);
    }
}

thread_local! {
    static BUSY: Vec<u8> = busy().server().save();
}
