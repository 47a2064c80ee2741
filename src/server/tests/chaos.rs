//! Anything in any order: peers of all kinds, damaged bytes, kernels that take one byte at a time, time that
//! passes. Nothing panics, every invariant that `check` looks at holds after every input, and in the end
//! everybody is gone (I14 to I17, I21 to I25, I27 to I29).

use super::kit::World;
use crate::base::id::ConnId;
use crate::config::{Config, Flush, Second};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Op {
    Publisher(usize),
    RtmpPlayer(usize),
    Http(usize, usize),
    Stranger(Vec<u8>),
    Gop(usize, u32),
    Bytes(usize, Vec<u8>),
    Allow(usize, usize),
    HangUp(usize),
    End(usize),
    Pass(u64),
}

const NAMES: [&str; 2] = ["cam", "stage"];
const PATHS: [&str; 6] = [".flv", ".ts", ".aac", ".m3u8", "/index.m3u8", "/seg-1.ts"];

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    let who = || 0usize..12;
    let bytes = || vec(any::<u8>(), 0..200);
    prop_oneof![
        2 => name().prop_map(Op::Publisher),
        2 => name().prop_map(Op::RtmpPlayer),
        4 => (name(), 0..PATHS.len()).prop_map(|(name, path)| Op::Http(name, path)),
        1 => bytes().prop_map(Op::Stranger),
        8 => (who(), 1u32..6).prop_map(|(who, count)| Op::Gop(who, count)),
        1 => (who(), bytes()).prop_map(|(who, bytes)| Op::Bytes(who, bytes)),
        3 => (who(), prop_oneof![Just(0), Just(1), 2usize..300, Just(usize::MAX)])
            .prop_map(|(who, len)| Op::Allow(who, len)),
        1 => who().prop_map(Op::HangUp),
        1 => who().prop_map(Op::End),
        4 => (1u64..4_000).prop_map(Op::Pass),
    ]
}

/// Limits so small that they are reached.
fn config(second: Second, flush: Flush, frames_max: usize) -> Config {
    let mut config = Config::default();
    config.limits.connections = 9;
    config.limits.streams = 2;
    config.limits.players_per_stream = 3;
    config.stream.publish.second = second;
    config.stream.publish.linger_ms = 1_000;
    config.stream.play.flush = flush;
    config.stream.play.wait_ms = 2_000;
    config.stream.play.send_timeout_ms = 3_000;
    config.stream.ring.frames_max = frames_max;
    config.stream.hls.segment_ms = 500;
    config.stream.hls.dispose_ms = 2_000;
    config
}

/// A peer and the number of the next picture that it would send.
type Seat = (ConnId, u32);

fn run(config: Config, ops: &[Op]) {
    let mut world = World::new(config);
    let mut peers: Vec<Seat> = Vec::new();
    for op in ops {
        peers.retain(|(conn, _)| !world.is_closed(*conn));
        let peer = |who: usize| (!peers.is_empty()).then(|| who % peers.len().max(1));
        match op {
            _ if peers.len() >= 9 && joins(op) => {}
            Op::Publisher(name) => peers.push((world.publisher(NAMES[*name]), 0)),
            Op::RtmpPlayer(name) => peers.push((world.rtmp_player(NAMES[*name]), 0)),
            Op::Http(name, path) => {
                let request =
                    format!("GET /live/{}{} HTTP/1.1\r\nHost: a\r\n\r\n", NAMES[*name], PATHS[*path]);
                peers.push((world.http(&request), 0));
            }
            Op::Stranger(bytes) => {
                let conn = world.stranger();
                world.receive(conn, bytes);
                peers.push((conn, 0));
            }
            Op::Gop(who, count) => {
                if let Some(place) = peer(*who) {
                    let (conn, next) = peers[place];
                    world.gop(conn, next, *count);
                    peers[place].1 += count;
                }
            }
            Op::Bytes(who, bytes) => with(peer(*who), &peers, |conn| world.receive(conn, bytes)),
            Op::Allow(who, len) => with(peer(*who), &peers, |conn| world.allow(conn, *len)),
            Op::HangUp(who) => with(peer(*who), &peers, |conn| world.hang_up(conn)),
            Op::End(who) => with(peer(*who), &peers, |conn| world.end(conn)),
            Op::Pass(ms) => world.pass(Duration::from_millis(*ms)),
        }
    }
    world.drain_server();
    assert!(world.finished, "L7: everybody is gone in time");
    world.pass(Duration::from_secs(30));
    assert_eq!((world.server.conns.len(), world.server.streams.len()), (0, 0), "I22");
    assert_eq!(world.server.deadline(), None, "L6");
}

fn joins(op: &Op) -> bool {
    matches!(op, Op::Publisher(_) | Op::RtmpPlayer(_) | Op::Http(..) | Op::Stranger(_))
}

fn with(place: Option<usize>, peers: &[Seat], mut act: impl FnMut(ConnId)) {
    if let Some(place) = place {
        act(peers[place].0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_order_ends_well(
        ops in vec(op(), 1..80),
        replace: bool,
        flush in prop_oneof![Just(Flush::Frame), Just(Flush::Video), Just(Flush::Ms(100))],
        frames_max in 2usize..40,
    ) {
        let second = if replace { Second::Replace } else { Second::Refuse };
        run(config(second, flush, frames_max), &ops);
    }
}
