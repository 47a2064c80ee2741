//! Test harness: a run with its recordings in memory, with a server, peers that take a few bytes at a time,
//! tapes.
//!
//! The tests of the crate `tools` use this file as well, so that it names the library by its name.

use bytes::Bytes;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Service};
use dacapo::record::{Contents, Header, Scope, Start, Tape, block_end, block_saved, head, read};
use dacapo::server::direct::{Direct, Peers};
use dacapo::server::{End, Input, Server, Taken};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What FFmpeg says when it publishes `live/cam1`.
pub const PUBLISHER: &[u8] =
    include_bytes!("../../../fixtures/captures/rtmp/ffmpeg-5.1-publish-start/client.bin");
/// What FFmpeg says when it plays it.
pub const PLAYER: &[u8] = include_bytes!("../../../fixtures/captures/rtmp/ffmpeg-5.1-play-start/client.bin");
/// A player over WebSocket.
const WEB_SOCKET: &[u8] = b"GET /live/cam1.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n";
/// Wall time at the birth of every server.
pub const EPOCH: Epoch = Epoch(1_700_000_000_000_000);

/// The seed of every server.
pub fn seed() -> Seed {
    Seed::from_u64(3)
}

/// A shell with tapes running: one for everything, one for chosen streams.
pub struct Shell {
    config: Config,
    pub direct: Direct<Sinks, Vec<Tape>>,
    /// Recordings that began in the middle of the run, as far as they were written then, and what had been
    /// sent to each connection.
    later: Vec<Vec<u8>>,
    pub sent_before: BTreeMap<ConnId, usize>,
    port: u16,
}

/// Peers that take so many bytes at a time.
pub struct Sinks {
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    /// Most bytes that the kernel takes in one write.
    pub allowance: usize,
}

impl Peers for Sinks {
    fn write(&mut self, _: Instant, conn: ConnId, slices: &Slices<'_>) -> Taken {
        let taken = slices.first(self.allowance);
        let sent = self.sent.entry(conn).or_default();
        taken.as_io_slices().iter().for_each(|slice| sent.extend_from_slice(slice));
        Taken { len: taken.len(), room: taken.len() == slices.len() }
    }
}

impl Shell {
    pub fn new(config: Config) -> Self {
        let chosen = Tape::of_streams(&["live/film".to_owned()]).expect("it is a pattern");
        let server = Server::new(config.clone(), seed(), Instant::ZERO, EPOCH);
        let tapes = vec![Tape::new(), chosen];
        let sinks = Sinks { sent: BTreeMap::new(), allowance: usize::MAX };
        let (later, sent_before) = (Vec::new(), BTreeMap::new());
        Shell { config, direct: Direct::new(server, sinks, tapes), later, sent_before, port: 9000 }
    }

    pub fn connect(&mut self, service: Service) -> ConnId {
        let listeners = Config::default().listeners();
        let place = listeners.iter().position(|(_, other, _)| *other == service).expect("it listens");
        let listener = ListenerId(place as u16);
        self.port += 1;
        let peer = SocketAddr::from(([192, 0, 2, 7], self.port));
        self.direct.accept(listener, peer).expect("there is room")
    }

    pub fn tell(&mut self, input: Input<'_>) {
        self.direct.tell(input);
    }

    pub fn pass(&mut self, time: Duration) {
        self.direct.pass(time);
        let end = self.direct.now();
        self.direct.monitor.iter_mut().for_each(|tape| tape.check(end));
    }

    /// Begins three more recordings here: another part of the first, everything, and one stream.
    pub fn begin(&mut self, stream: &str) {
        self.pass(Duration::ZERO);
        let first_part = self.recordings()[0].clone();
        let part = self.direct.server().subset(|name| name.path() == format!("live/{stream}"));
        let patterns = vec![format!("live/{stream}")];
        let (server, now) = (self.direct.server().clone(), self.direct.now());
        self.direct.monitor[0].resume(&server, now);
        let (mut all, mut some) = (Tape::new(), Tape::of_streams(&patterns).expect("a pattern"));
        all.resume(&server, now);
        some.resume(&part, now);
        self.direct.monitor.extend([all, some]);
        // A copy is enough: the run can go on while it is written down elsewhere.
        let whole = self.direct.server().clone();
        let scopes = [(Scope::All, whole.save()), (Scope::Streams(patterns), part.save())];
        let [all, some] = scopes.map(|(scope, saved)| {
            let header = Header::new(&self.config, &seed(), EPOCH);
            let start_us = self.direct.now().as_micros();
            let header = Header { scope, start: Start::Saved, start_us, ..header };
            [head(&header), block_saved(&saved)].concat()
        });
        self.later = vec![first_part, all.clone(), all, some];
        self.sent_before = self.direct.peers.sent.iter().map(|(conn, bytes)| (*conn, bytes.len())).collect();
    }

    /// The first part of the recording of everything, its second part, and the recordings that began with it,
    /// as they would stand on a disk.
    pub fn later_files(&mut self) -> Vec<Vec<u8>> {
        let now = self.direct.now();
        for (bytes, place) in self.later[1..].iter_mut().zip([0, 2, 3]) {
            self.direct.monitor[place].check(now);
            bytes.extend(self.direct.monitor[place].take());
            bytes.extend(block_end());
        }
        self.later.clone()
    }

    /// The recordings as they would stand on a disk: everything, and the chosen streams.
    pub fn recordings(&mut self) -> [Vec<u8>; 2] {
        let scopes = [Scope::All, Scope::Streams(vec!["live/film".to_owned()])];
        let mut all = scopes.map(|scope| {
            let header = Header::new(&self.config, &seed(), EPOCH);
            head(&Header { scope, ..header })
        });
        let now = self.direct.now();
        for (bytes, tape) in all.iter_mut().zip(&mut self.direct.monitor) {
            tape.check(now);
            bytes.extend(tape.take());
            bytes.extend(block_end());
        }
        all
    }
}

/// A publisher of `live/cam1` as FFmpeg is one, some players, and other streams.
pub fn a_run(allowance: usize) -> Shell {
    a_run_with_a_beginning(allowance, None)
}

/// The same; with more recordings that begin after so many pieces of the publisher.
pub fn a_run_with_a_beginning(allowance: usize, begin: Option<usize>) -> Shell {
    let mut shell = Shell::new(Config::default());
    shell.direct.peers.allowance = allowance;
    let players: Vec<ConnId> = (0..3).map(|_| shell.connect(Service::Rtmp)).collect();
    for conn in &players {
        shell.tell(Input::Received { conn: *conn, bytes: PLAYER });
        shell.pass(Duration::from_millis(3));
    }
    if begin.is_some() {
        for request in [WEB_SOCKET, b"GET /live/cam1/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let conn = shell.connect(Service::Http);
            shell.tell(Input::Received { conn, bytes: request });
        }
    }
    let cam = shell.connect(Service::Rtmp);
    for (place, bytes) in PUBLISHER.chunks(700).enumerate() {
        if Some(place) == begin {
            shell.begin("cam1");
        }
        shell.tell(Input::Received { conn: cam, bytes });
        shell.pass(Duration::from_millis(40));
    }
    let request = b"GET /live/film.flv HTTP/1.1\r\nHost: a\r\n\r\n";
    let viewer = shell.connect(Service::Http);
    shell.tell(Input::Received { conn: viewer, bytes: request });
    let api = shell.connect(Service::Api);
    shell.tell(Input::Received { conn: api, bytes: b"GET /api/v1/summaries HTTP/1.1\r\nHost: a\r\n\r\n" });
    for conn in players.iter().chain([&viewer]) {
        shell.pass(Duration::from_secs(1));
        shell.tell(Input::Writable { conn: *conn });
    }
    shell.tell(Input::Ended { conn: players[0], end: End::Broken("reset by peer".to_owned()) });
    if begin.is_some() {
        shell.tell(Input::Ended { conn: cam, end: End::Eof });
    }
    shell.pass(Duration::from_secs(4));
    shell.connect(Service::Api);
    shell
}

/// A recording, taken apart.
pub fn recorded(bytes: &[u8]) -> Contents {
    read(Bytes::copy_from_slice(bytes)).expect("it was just written")
}
