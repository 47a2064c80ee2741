//! Test harness: drives a server, collects the bytes that each peer was sent, and plays simple peers.

use crate::base::id::{ConnId, ListenerId};
use crate::base::rng::Seed;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, Service};
use crate::server::direct::{Direct, Peers};
use crate::server::{End, Input, Monitor, Output, Server, Taken};
use crate::wire::amf0::{self, Value};
use crate::wire::rtmp::chunk::write_message;
use bytes::BytesMut;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A server and everything around it.
#[derive(Clone)]
pub struct World {
    pub direct: Direct<Sinks, Outputs>,
    port: u16,
    /// Bytes that wait to arrive together.
    held: Option<Vec<u8>>,
}

/// What peers were sent.
#[derive(Clone, Default)]
pub struct Sinks {
    finished: bool,
    sent: BTreeMap<ConnId, Vec<u8>>,
    closed: BTreeSet<ConnId>,
    /// Most bytes that the kernel takes at a time, where that is limited.
    allowances: BTreeMap<ConnId, usize>,
    bytes: Sha256,
    /// Where it is limited how fast the kernel takes bytes: so many in a second, and what it has taken.
    load: Option<Load>,
}

/// What a processor that is kept busy by copying has copied.
#[derive(Clone, Default)]
struct Load {
    bytes_per_second: u64,
    bytes: u64,
    /// By player: bytes, when the last came, and the longest pause.
    seen: BTreeMap<ConnId, Seen>,
}

/// What a player of a busy server got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub bytes: u64,
    pub last: Instant,
    pub pause: Duration,
}

/// A hash over every output.
#[derive(Clone, Default)]
pub struct Outputs(Sha256);

impl Monitor for Outputs {
    fn output(&mut self, _: Instant, output: &Output) {
        self.0.update(format!("{output:?}"));
    }
}

impl Peers for Sinks {
    fn write(&mut self, now: Instant, conn: ConnId, slices: &Slices<'_>) -> Taken {
        if let Some(load) = &mut self.load {
            let len = slices.len();
            load.bytes += len as u64;
            let seen = load.seen.entry(conn).or_default();
            *seen = Seen {
                bytes: seen.bytes + len as u64,
                last: now,
                pause: seen.pause.max(now.since(seen.last)),
            };
            return Taken { len, room: true };
        }
        let allowance = self.allowances.get(&conn).copied().unwrap_or(usize::MAX);
        let taken = slices.first(allowance);
        for slice in taken.as_io_slices() {
            self.bytes.update(&slice[..]);
            self.sent.entry(conn).or_default().extend_from_slice(slice);
        }
        Taken { len: taken.len(), room: taken.len() == slices.len() }
    }

    fn closed(&mut self, _: Instant, conn: ConnId) {
        assert!(self.closed.insert(conn), "I23: closed once");
    }

    fn finished(&mut self) {
        self.finished = true;
    }
}

impl World {
    pub fn new(config: Config) -> Self {
        let server = Server::new(config, Seed::from_u64(7), Instant::ZERO, Epoch(1_700_000_000_000_000));
        World { direct: Direct::new(server, Sinks::default(), Outputs::default()), port: 10_000, held: None }
    }

    pub fn handle(&mut self, input: Input<'_>) {
        self.direct.tell(input);
    }

    pub fn server(&self) -> &Server {
        self.direct.server()
    }

    /// Goes on with another server, which peers do not notice.
    pub fn replace_server(&mut self, server: Server) {
        self.direct.replace_server(server);
    }

    /// Changes the server in a way for which there is no input yet. It acts on that with the next input.
    pub fn change(&mut self, act: impl FnOnce(&mut Server)) {
        let mut server = self.server().clone();
        act(&mut server);
        self.replace_server(server);
    }

    pub fn is_finished(&self) -> bool {
        self.direct.peers.finished
    }

    /// Lets time pass, ticking whenever the server wants it, and once in the end.
    pub fn pass(&mut self, time: Duration) {
        self.direct.pass(time);
        self.handle(Input::Tick);
    }

    fn connect(&mut self, service: Service) -> ConnId {
        let listeners = Config::default().listeners();
        let place = listeners.iter().position(|(_, other, _)| *other == service).expect("it listens");
        self.port += 1;
        let peer = SocketAddr::from(([192, 0, 2, 1], self.port));
        let listener = ListenerId(place as u16);
        let conn = self.direct.accept(listener, peer).expect("there is room");
        self.direct.peers.sent.insert(conn, Vec::new());
        conn
    }

    pub fn refuses_connections(&mut self) -> bool {
        let peer = SocketAddr::from(([192, 0, 2, 2], 1));
        self.direct.accept(ListenerId(0), peer).is_none()
    }

    /// What `act` has a peer send arrives in one piece.
    pub fn burst(&mut self, conn: ConnId, act: impl FnOnce(&mut World)) {
        self.held = Some(Vec::new());
        act(self);
        let bytes = self.held.take().unwrap_or_default();
        self.receive(conn, &bytes);
    }

    pub fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(held) = &mut self.held {
            return held.extend_from_slice(bytes);
        }
        self.handle(Input::Received { conn, bytes });
    }

    pub fn hang_up(&mut self, conn: ConnId) {
        self.handle(Input::Ended { conn, end: End::Broken("reset by peer".to_owned()) });
    }

    /// The kernel takes no more bytes for this peer.
    pub fn block(&mut self, conn: ConnId) {
        self.allow(conn, 0);
    }

    /// The kernel takes at most `len` bytes at a time for this peer, and has room for them now.
    pub fn allow(&mut self, conn: ConnId, len: usize) {
        self.direct.peers.allowances.insert(conn, len);
        if len > 0 {
            self.handle(Input::Writable { conn });
        }
    }

    /// From now on the kernel takes `bytes_per_second`, from all together, and all that is kept of what
    /// peers are sent is how much it was.
    pub fn load(&mut self, bytes_per_second: u64) {
        self.direct.peers.load = Some(Load { bytes_per_second, ..Load::default() });
    }

    /// What peers got since this was asked last.
    pub fn seen(&mut self) -> BTreeMap<ConnId, Seen> {
        let load = self.direct.peers.load.as_mut().expect("it is loaded");
        let fresh = load.seen.iter().map(|(conn, seen)| (*conn, Seen { last: seen.last, ..Seen::default() }));
        let fresh = fresh.collect();
        std::mem::replace(&mut load.seen, fresh)
    }

    /// Lets a busy server turn until `end`: a pass takes as long as what it moves.
    pub fn toil(&mut self, end: Instant) {
        while self.now() < end {
            self.handle(Input::Tick);
            let load = self.direct.peers.load.as_mut().expect("it is loaded");
            let took = std::mem::take(&mut load.bytes) * 1_000_000 / load.bytes_per_second;
            let idle = self.server().deadline().map_or(end, |deadline| deadline.at.min(end));
            let then = (self.now() + Duration::from_micros(took.max(1))).max(idle);
            self.direct.advance(then - self.now());
        }
    }

    pub fn now(&self) -> Instant {
        self.direct.now()
    }

    /// The peer closes its side.
    pub fn end(&mut self, conn: ConnId) {
        self.handle(Input::Ended { conn, end: End::Eof });
    }

    pub fn drain_server(&mut self) {
        self.handle(Input::Drain);
        self.pass(Duration::from_secs(10));
    }

    /// All bytes that a peer was sent.
    pub fn sent(&self, conn: ConnId) -> Vec<u8> {
        self.direct.peers.sent[&conn].clone()
    }

    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.direct.peers.closed.contains(&conn)
    }

    pub fn cid(&self, conn: ConnId) -> String {
        self.server().peers.get(conn).expect("it lives").cid.to_string()
    }

    /// A hash over every output and every byte.
    pub fn trace(&self) -> [u8; 32] {
        let mut trace = self.direct.monitor.0.clone();
        trace.update(self.direct.peers.bytes.clone().finalize());
        trace.finalize().into()
    }

    pub fn http(&mut self, request: &str) -> ConnId {
        let conn = self.connect(Service::Http);
        self.receive(conn, request.as_bytes());
        conn
    }

    pub fn api(&mut self, request: &str) -> ConnId {
        let conn = self.connect(Service::Api);
        self.receive(conn, request.as_bytes());
        conn
    }

    /// An RTMP connection that has sent nothing yet, with an address of its own.
    pub fn stranger(&mut self) -> ConnId {
        let port = std::mem::replace(&mut self.port, 40_000 + self.direct.peers.sent.len() as u16);
        let conn = self.connect(Service::Rtmp);
        self.port = port;
        conn
    }

    fn rtmp(&mut self) -> ConnId {
        let conn = self.connect(Service::Rtmp);
        let mut hello = vec![3];
        hello.resize(1 + 1536 + 1536, 0);
        self.receive(conn, &hello);
        let app = Value::object([
            ("app", Value::String("live".to_owned())),
            ("tcUrl", Value::String("rtmp://127.0.0.1/live".to_owned())),
        ]);
        self.command(conn, 0, "connect", 1.0, &[app]);
        self.command(conn, 0, "createStream", 2.0, &[Value::Null]);
        conn
    }

    fn command(&mut self, conn: ConnId, stream_id: u32, name: &str, transaction: f64, values: &[Value]) {
        let mut body = BytesMut::new();
        amf0::encode_all(&[Value::String(name.to_owned()), Value::Number(transaction)], &mut body);
        amf0::encode_all(values, &mut body);
        self.message(conn, 3, 0, 20, stream_id, &body);
    }

    fn message(&mut self, conn: ConnId, cid: u32, timestamp: u32, type_id: u8, stream_id: u32, body: &[u8]) {
        let mut bytes = BytesMut::new();
        write_message(&mut bytes, 128, cid, timestamp, type_id, stream_id, body);
        self.receive(conn, &bytes);
    }

    /// A peer that publishes `live/{stream}` and has sent no frame.
    pub fn silent_publisher(&mut self, stream: &str) -> ConnId {
        let conn = self.rtmp();
        let values = [Value::Null, Value::String(stream.to_owned()), Value::String("live".to_owned())];
        self.command(conn, 1, "publish", 3.0, &values);
        conn
    }

    /// A peer that publishes `live/{stream}`.
    pub fn publisher(&mut self, stream: &str) -> ConnId {
        let conn = self.silent_publisher(stream);
        self.message(conn, 6, 0, 9, 1, b"\x17\x00\x00\x00\x00AVC configuration");
        conn
    }

    /// Sends the first half of a picture in chunks and returns the rest.
    pub fn half_a_frame(&mut self, publisher: ConnId, number: u32) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        let body = [b"\x27\x01\0\0\0", format!("frame-{number}").repeat(40).as_bytes()].concat();
        write_message(&mut bytes, 128, 6, number * 600, 9, 1, &body);
        let rest = bytes.split_off(bytes.len() / 2);
        self.receive(publisher, &bytes);
        rest.to_vec()
    }

    /// Sends a picture of `len` bytes, the `number`th of 25 in a second.
    pub fn picture(&mut self, publisher: ConnId, number: u32, key: bool, len: usize) {
        let mut body = if key { b"\x17\x01\0\0\0".to_vec() } else { b"\x27\x01\0\0\0".to_vec() };
        body.resize(len, 0);
        self.message(publisher, 6, number * 40, 9, 1, &body);
    }

    /// A peer that plays `live/{stream}`.
    pub fn rtmp_player(&mut self, stream: &str) -> ConnId {
        let conn = self.rtmp();
        self.command(conn, 1, "play", 3.0, &[Value::Null, Value::String(stream.to_owned())]);
        conn
    }

    /// A keyframe and `count - 1` pictures after it; their payloads are `frame-{number}`. Pictures only:
    /// half a second of them passes before players are let in the first time.
    pub fn gop(&mut self, publisher: ConnId, first: u32, count: u32) {
        for number in first..first + count {
            let head: &[u8] = if number == first { b"\x17\x01\0\0\0" } else { b"\x27\x01\0\0\0" };
            let body = [head, format!("frame-{number}").as_bytes()].concat();
            self.message(publisher, 6, number * 600, 9, 1, &body);
        }
    }
}

/// Every text in `bytes` that begins with `mark`, up to the first byte that is no letter, digit, `-` or `.`.
pub fn bodies(bytes: &[u8], mark: &[u8]) -> Vec<String> {
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(mark));
    let text = |at: usize| -> String {
        let rest = &bytes[at..];
        rest.iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
            .map(|byte| char::from(*byte))
            .collect()
    };
    starts.map(text).collect()
}
