//! A run with its recordings, in memory: a server, peers that take some bytes at a time, and tapes.
//!
//! The tests of the crate `tools` use this file as well, so that it names the library by its name.

use bytes::Bytes;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Service};
use dacapo::record::{Contents, Header, Scope, Start, Tape, block_end, block_saved, head, read};
use dacapo::server::{End, Input, Output, Server};
use dacapo::status::Vitals;
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
    server: Server,
    tapes: Vec<Tape>,
    /// Recordings that began in the middle of the run, as far as they were written then, and what had been
    /// sent to each connection.
    later: Vec<Vec<u8>>,
    pub sent_before: BTreeMap<ConnId, usize>,
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    now: Instant,
    /// Most bytes that the kernel takes in one write.
    pub allowance: usize,
    port: u16,
}

impl Shell {
    pub fn new(config: Config) -> Self {
        let chosen = Tape::of_streams(&["live/film".to_owned()]).expect("it is a pattern");
        Shell {
            server: Server::new(config.clone(), seed(), Instant::ZERO, EPOCH),
            config,
            tapes: vec![Tape::new(), chosen],
            later: Vec::new(),
            sent_before: BTreeMap::new(),
            sent: BTreeMap::new(),
            now: Instant::ZERO,
            allowance: usize::MAX,
            port: 9000,
        }
    }

    pub fn connect(&mut self, service: Service) -> ConnId {
        let listeners = Config::default().listeners();
        let place = listeners.iter().position(|(_, other, _)| *other == service).expect("it listens");
        let listener = ListenerId(place as u16);
        self.port += 1;
        let peer = SocketAddr::from(([192, 0, 2, 7], self.port));
        let conn = self.server.accept(self.now, listener, peer);
        for tape in &mut self.tapes {
            tape.accepted(self.now, listener, peer, conn);
            tape.after_input(&self.server);
        }
        self.drain();
        conn.expect("there is room")
    }

    pub fn tell(&mut self, input: Input<'_>) {
        self.tapes.iter_mut().for_each(|tape| tape.input(&self.server, self.now, &input));
        self.server.handle(self.now, input);
        self.tapes.iter_mut().for_each(|tape| tape.after_input(&self.server));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            self.tapes.iter_mut().for_each(|tape| tape.output(self.now, &output));
            match output {
                Output::Write { conn } => self.write(conn),
                Output::Measure { ticket } => {
                    self.tell(Input::Measured { ticket, vitals: Box::new(Vitals::default()) });
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, conn: ConnId) {
        let mut slices = Slices::default();
        self.server.outbox(conn, &mut slices);
        let (len, room) = (slices.len().min(self.allowance), slices.len() <= self.allowance);
        self.tapes.iter_mut().for_each(|tape| tape.sent(self.now, conn, &slices, len, room));
        let all: Vec<u8> = slices.iter().flat_map(|(slice, _)| slice.to_vec()).collect();
        self.sent.entry(conn).or_default().extend_from_slice(&all[..len]);
        self.server.handle(self.now, Input::Sent { conn, len, room });
        self.tapes.iter_mut().for_each(|tape| tape.after_input(&self.server));
    }

    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.server.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tapes.iter_mut().for_each(|tape| tape.check(end));
    }

    /// Begins three more recordings here: another part of the first, everything, and one stream.
    pub fn begin(&mut self, stream: &str) {
        self.pass(Duration::ZERO);
        let first_part = self.recordings()[0].clone();
        let part = self.server.subset(|name| name.path() == format!("live/{stream}"));
        let patterns = vec![format!("live/{stream}")];
        self.tapes[0].resume(&self.server, self.now);
        let (mut all, mut some) = (Tape::new(), Tape::of_streams(&patterns).expect("a pattern"));
        all.resume(&self.server, self.now);
        some.resume(&part, self.now);
        self.tapes.extend([all, some]);
        // A copy is enough: the run can go on while it is written down elsewhere.
        let whole = self.server.clone();
        let scopes = [(Scope::All, whole.save()), (Scope::Streams(patterns), part.save())];
        let [all, some] = scopes.map(|(scope, saved)| {
            let header = Header::new(&self.config, &seed(), EPOCH);
            let start_us = self.now.as_micros();
            let header = Header { scope, start: Start::Saved, start_us, ..header };
            [head(&header), block_saved(&saved)].concat()
        });
        self.later = vec![first_part, all.clone(), all, some];
        self.sent_before = self.sent.iter().map(|(conn, bytes)| (*conn, bytes.len())).collect();
    }

    /// The first part of the recording of everything, its second part, and the recordings that began with it,
    /// as they would stand on a disk.
    pub fn later_files(&mut self) -> Vec<Vec<u8>> {
        for (bytes, place) in self.later[1..].iter_mut().zip([0, 2, 3]) {
            self.tapes[place].check(self.now);
            bytes.extend(self.tapes[place].take());
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
        for (bytes, tape) in all.iter_mut().zip(&mut self.tapes) {
            tape.check(self.now);
            bytes.extend(tape.take());
            bytes.extend(block_end());
        }
        all
    }
}

/// A publisher of `live/cam1`, as FFmpeg is one, and some who watch; other streams besides.
pub fn a_run(allowance: usize) -> Shell {
    a_run_with_a_beginning(allowance, None)
}

/// The same; with more recordings that begin after so many pieces of the publisher.
pub fn a_run_with_a_beginning(allowance: usize, begin: Option<usize>) -> Shell {
    let mut shell = Shell::new(Config::default());
    shell.allowance = allowance;
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
