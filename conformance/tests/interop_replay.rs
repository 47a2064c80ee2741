//! `dacapo replay`: recordings of real programs are played again and told, and what their players were sent
//! is written down as files that FFmpeg takes for what they are.
//!
//! The recordings are made here by a small shell around the library: real clients' captured bytes, time that is
//! not waited for.

use conformance::ffmpeg::{Ffmpeg, Packets};
use conformance::process::{Finished, Tool, secs};
use conformance::server::binary;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Service};
use dacapo::record::{Header, Tape, block_end, head};
use dacapo::server::{End, Input, Output, Server};
use dacapo::status::Vitals;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const PUBLISHER: &str = "rtmp/ffmpeg-5.1-publish-start";
const PLAYER: &str = "rtmp/ffmpeg-5.1-play-start";
const PEER: &str = "198.18.7.9";

/// A shell whose kernel takes `allowance` bytes at a time, with a tape running.
struct Shell {
    config: Config,
    server: Server,
    tape: Tape,
    now: Instant,
    allowance: usize,
    port: u16,
    sent: BTreeMap<ConnId, usize>,
}

impl Shell {
    fn new(config: Config) -> Self {
        let server = Server::new(config.clone(), seed(), Instant::ZERO, EPOCH);
        let (tape, now, allowance, port) = (Tape::new(), Instant::ZERO, usize::MAX, 40_000);
        Shell { config, server, tape, now, allowance, port, sent: BTreeMap::new() }
    }

    fn connect(&mut self, service: Service) -> ConnId {
        let listeners = self.config.listeners();
        let (listener, ..) =
            listeners.into_iter().find(|(_, other, _)| *other == service).expect("it listens");
        self.port += 1;
        let peer = SocketAddr::new(PEER.parse().expect("an address"), self.port);
        self.accept(listener, peer)
    }

    fn accept(&mut self, listener: ListenerId, peer: SocketAddr) -> ConnId {
        let conn = self.server.accept(self.now, listener, peer);
        self.tape.accepted(self.now, listener, peer, conn);
        self.tape.settle(&self.server);
        self.drain();
        conn.expect("there is room")
    }

    fn tell(&mut self, input: Input<'_>) {
        self.tape.input(&self.server, self.now, &input);
        self.server.handle(self.now, input);
        self.tape.settle(&self.server);
        self.drain();
    }

    fn say(&mut self, conn: ConnId, bytes: &[u8]) {
        self.tell(Input::Received { conn, bytes });
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            self.tape.output(self.now, &output);
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
        self.tape.sent(self.now, conn, &slices, len, room);
        *self.sent.entry(conn).or_default() += len;
        self.server.handle(self.now, Input::Sent { conn, len, room });
        self.tape.settle(&self.server);
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.server.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tape.check(end);
    }

    /// The recording, as a file.
    fn finish(mut self, folder: &TempDir) -> PathBuf {
        self.tape.check(self.now);
        let bytes =
            [head(&Header::new(&self.config, &seed(), EPOCH)), self.tape.take(), block_end()].concat();
        let path = folder.path().join("run.dacapo");
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

const EPOCH: Epoch = Epoch(1_700_000_000_000_000);

fn seed() -> Seed {
    Seed::from_u64(7)
}

fn capture(name: &str) -> Vec<u8> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures");
    std::fs::read(captures.join(name).join("client.bin")).expect("a capture")
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 198.18.0.1:8080\r\n\r\n").into_bytes()
}

/// FFmpeg publishes `live/cam1`; players of all formats watch it.
fn everybody_watches(mut config: Config) -> Shell {
    config.stream.hls.encrypt = true;
    let mut shell = Shell::new(config);
    let player = shell.connect(Service::Rtmp);
    shell.say(player, &capture(PLAYER));
    for format in ["flv", "ts", "aac"] {
        let viewer = shell.connect(Service::Http);
        shell.say(viewer, &get(&format!("/live/cam1.{format}?token=s3cr3t-t0ken")));
    }
    let old = shell.connect(Service::Http);
    shell.say(old, b"GET /live/cam1.flv HTTP/1.0\r\n\r\n");
    let socket = shell.connect(Service::Http);
    let upgrade = "GET /live/cam1.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    shell.say(socket, upgrade.as_bytes());
    let publisher = shell.connect(Service::Rtmp);
    for bytes in capture(PUBLISHER).chunks(1200) {
        shell.say(publisher, bytes);
        shell.pass(30);
    }
    shell.tell(Input::Ended { conn: publisher, end: End::Eof });
    shell.pass(200);
    let hls = shell.connect(Service::Http);
    for file in ["index.m3u8", "key-0.key", "seg-0.ts", "seg-0.ts"] {
        shell.say(hls, &get(&format!("/live/cam1/{file}")));
        shell.pass(50);
    }
    let api = shell.connect(Service::Api);
    shell.say(api, &get("/api/v1/clients"));
    shell
}

fn dacapo(args: &[&str]) -> Finished {
    Tool::new(binary()).args(args).start().finish(secs(30))
}

fn packets(file: &Path) -> Packets {
    let name = file.to_string_lossy();
    Packets::parse(&Ffmpeg::V5.packets("", &name, "").run(secs(30)).stdout)
}

#[test]
fn a_recording_is_told_and_is_the_same() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let ended = dacapo(&["replay", &file.to_string_lossy()]);
    assert_eq!(ended.status.code(), Some(0), "{ended}");
    for words in
        ["the same, bit for bit", "publishes live/ca", "keyframe", "flv-play", "live/cam1", "9 connections"]
    {
        assert!(ended.stdout.contains(words), "{words:?}: {}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_players_were_sent_plays() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let dump = folder.path().join("dump");
    let ended =
        dacapo(&["replay", &file.to_string_lossy(), "--log", "off", "--dump", &dump.to_string_lossy()]);
    assert!(ended.status.success(), "{ended}");
    let file = |name: &str| packets(&dump.join(name));
    let flv = file("0-live_cam1.flv");
    assert!(flv.video.packets.len() == 10 && flv.audio.packets.len() > 20, "{flv:?}");
    for name in ["1-live_cam1.flv", "4-live_cam1.flv", "5-live_cam1.flv"] {
        assert_eq!(file(name), flv, "{name}");
    }
    for name in ["2-live_cam1.ts", "7-live_cam1-hls.ts"] {
        let ts = file(name);
        assert_eq!(ts.video.packets.len(), flv.video.packets.len(), "{name}");
        assert_eq!(ts.audio.packets.len(), flv.audio.packets.len(), "{name}");
    }
    assert_eq!(file("3-live_cam1.aac").audio.packets.len(), flv.audio.packets.len());
    assert_eq!(std::fs::read_dir(&dump).expect("a directory").count(), 7);
}
