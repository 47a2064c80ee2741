//! Random inputs in random order: peers of all kinds, damaged bytes, sockets that take one byte at a time,
//! time. Nothing panics, every invariant of `check` holds after every input, and in the end all connections
//! are closed (I14 to I17, I21 to I25, I27 to I29).

use super::harness::World;
use crate::base::id::ConnId;
use crate::config::{Config, Flush, Second};
use crate::server::admission::Admission;
use crate::session::ask::Refusal;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum Op {
    Publisher(usize),
    RtmpPlayer(usize),
    Http(usize, usize),
    WebSocket(usize),
    Stranger(Vec<u8>),
    Gop(usize, u32),
    Half(usize),
    Bytes(usize, Vec<u8>),
    Allow(usize, usize),
    HangUp(usize),
    End(usize),
    /// The request for which it waits is decided.
    Decide(usize, bool),
    Pass(u64),
}

const NAMES: [&str; 2] = ["cam", "stage"];
const PATHS: [&str; 6] = [".flv", ".ts", ".aac", ".m3u8", "/index.m3u8", "/seg-1.ts"];

pub fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    let who = || 0usize..12;
    let bytes = || vec(any::<u8>(), 0..200);
    prop_oneof![
        2 => name().prop_map(Op::Publisher),
        2 => name().prop_map(Op::RtmpPlayer),
        4 => (name(), 0..PATHS.len()).prop_map(|(name, path)| Op::Http(name, path)),
        1 => name().prop_map(Op::WebSocket),
        1 => bytes().prop_map(Op::Stranger),
        8 => (who(), 1u32..6).prop_map(|(who, count)| Op::Gop(who, count)),
        2 => who().prop_map(Op::Half),
        1 => (who(), bytes()).prop_map(|(who, bytes)| Op::Bytes(who, bytes)),
        3 => (who(), prop_oneof![Just(0), Just(1), 2usize..300, Just(usize::MAX)])
            .prop_map(|(who, len)| Op::Allow(who, len)),
        1 => who().prop_map(Op::HangUp),
        1 => who().prop_map(Op::End),
        3 => (who(), any::<bool>()).prop_map(|(who, yes)| Op::Decide(who, yes)),
        4 => (1u64..4_000).prop_map(Op::Pass),
    ]
}

/// Limits so small that they are reached.
pub fn config(second: Second, flush: Flush, frames_max: usize) -> Config {
    let mut config = Config::default();
    config.limits.connections = 9;
    config.limits.streams = 2;
    config.limits.players_per_stream = 3;
    config.limits.pass_writes = 2;
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

/// A peer as the test knows it.
#[derive(Clone)]
struct Peer {
    conn: ConnId,
    /// The number of the next picture that it would send.
    next: u32,
    /// What is left of the picture that it is in the middle of.
    rest: Vec<u8>,
}

/// All peers that were not closed.
#[derive(Clone, Default)]
pub struct Cast(Vec<Peer>);

impl Cast {
    pub fn play(&mut self, world: &mut World, op: &Op) {
        let peers = &mut self.0;
        peers.retain(|peer| !world.is_closed(peer.conn));
        let place = |who: usize| who % peers.len().max(1);
        let comes = match op {
            _ if peers.len() >= 9 && joins(op) => return,
            Op::Publisher(name) => Some(world.publisher(NAMES[*name])),
            Op::RtmpPlayer(name) => Some(world.rtmp_player(NAMES[*name])),
            Op::Http(name, path) => {
                let path = format!("/live/{}{}", NAMES[*name], PATHS[*path]);
                Some(world.http(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")))
            }
            Op::WebSocket(name) => Some(world.http(&format!(
                "GET /live/{}.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
                NAMES[*name]
            ))),
            Op::Stranger(bytes) => {
                let conn = world.stranger();
                world.receive(conn, bytes);
                Some(conn)
            }
            Op::Pass(ms) => {
                world.pass(Duration::from_millis(*ms));
                None
            }
            Op::Gop(who, _)
            | Op::Half(who)
            | Op::Bytes(who, _)
            | Op::Allow(who, _)
            | Op::HangUp(who)
            | Op::Decide(who, _)
            | Op::End(who) => {
                let place = place(*who);
                if let Some(peer) = peers.get_mut(place) {
                    peer.play(world, op);
                }
                None
            }
        };
        peers.extend(comes.map(|conn| Peer { conn, next: 0, rest: Vec::new() }));
    }
}

impl Peer {
    fn play(&mut self, world: &mut World, op: &Op) {
        let conn = self.conn;
        match op {
            Op::Allow(_, len) => world.allow(conn, *len),
            Op::HangUp(_) => world.hang_up(conn),
            Op::End(_) => world.end(conn),
            Op::Decide(_, yes) => world.decide(conn, if *yes { Ok(()) } else { Err(Refusal::NotAdmitted) }),
            _ => {}
        }
        if matches!(op, Op::Gop(..) | Op::Half(_) | Op::Bytes(..)) && !self.rest.is_empty() {
            world.receive(conn, &std::mem::take(&mut self.rest));
        }
        match op {
            Op::Gop(_, count) => {
                world.gop(conn, self.next, *count);
                self.next += count;
            }
            Op::Half(_) => {
                self.rest = world.half_a_frame(conn, self.next);
                self.next += 1;
            }
            Op::Bytes(_, bytes) => world.receive(conn, bytes),
            _ => {}
        }
    }
}

/// Whatever happened before, in the end all connections are closed.
fn end(world: &mut World) {
    world.drain_server();
    assert!(world.is_finished(), "L7: all connections are closed in time");
    world.pass(Duration::from_secs(30));
    assert_eq!((world.server().peers.len(), world.server().streams.len()), (0, 0), "I22");
    assert_eq!(world.server().deadline(), None, "L6");
}

fn joins(op: &Op) -> bool {
    matches!(op, Op::Publisher(_) | Op::RtmpPlayer(_) | Op::Http(..) | Op::WebSocket(_) | Op::Stranger(_))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_order_ends_well(
        ops in vec(op(), 1..80),
        replace: bool,
        flush in prop_oneof![Just(Flush::Frame), Just(Flush::Video), Just(Flush::Auto), Just(Flush::Ms(100))],
        frames_max in 2usize..40,
        asks: bool,
    ) {
        let second = if replace { Second::Replace } else { Second::Refuse };
        let (mut world, mut cast) = (World::new(config(second, flush, frames_max)), Cast::default());
        if asks {
            world.change(|server| server.admission = Admission::Asks);
        }
        ops.iter().for_each(|op| cast.play(&mut world, op));
        end(&mut world);
    }
}
