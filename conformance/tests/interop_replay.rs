//! `dacapo replay`: recordings of real programs are played again and told, and what their players were sent
//! is written down as files that FFmpeg takes for what they are.
//!
//! The recordings are made here by a small shell around the library: real clients' captured bytes, time that
//! is not waited for.

use conformance::ffmpeg::{Ffmpeg, Packets};
use conformance::process::{Finished, Tool, secs};
use conformance::server::binary;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Service};
use dacapo::record::{Contents, Event, Header, Start, Tape, block_end, block_saved, head, read, write};
use dacapo::server::direct::{Direct, Peers};
use dacapo::server::{End, Input, Server, Taken};
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
    direct: Direct<Sinks, Tape>,
    port: u16,
    /// Parts that have ended.
    parts: Vec<Vec<u8>>,
    /// The server that this part begins with.
    saved: Vec<u8>,
    part_since: Instant,
}

/// Peers that take `allowance` bytes at a time.
struct Sinks {
    allowance: usize,
    sent: BTreeMap<ConnId, usize>,
}

impl Peers for Sinks {
    fn write(&mut self, _: Instant, conn: ConnId, slices: &Slices<'_>) -> Taken {
        let len = slices.len().min(self.allowance);
        *self.sent.entry(conn).or_default() += len;
        Taken { len, room: len == slices.len() }
    }
}

impl Shell {
    fn new(config: Config) -> Self {
        let server = Server::new(config.clone(), seed(), Instant::ZERO, EPOCH);
        let sinks = Sinks { allowance: usize::MAX, sent: BTreeMap::new() };
        let (parts, saved, part_since) = (Vec::new(), Vec::new(), Instant::ZERO);
        Shell {
            config,
            direct: Direct::new(server, sinks, Tape::new()),
            port: 40_000,
            parts,
            saved,
            part_since,
        }
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
        self.direct.accept(listener, peer).expect("there is room")
    }

    fn tell(&mut self, input: Input<'_>) {
        self.direct.tell(input);
    }

    fn say(&mut self, conn: ConnId, bytes: &[u8]) {
        self.tell(Input::Received { conn, bytes });
    }

    fn pass(&mut self, ms: u64) {
        self.direct.pass(Duration::from_millis(ms));
        self.check();
    }

    fn check(&mut self) {
        let now = self.direct.now();
        self.direct.monitor.check(now);
    }

    /// The recording, as a file; of several parts the first.
    fn finish(mut self, folder: &TempDir) -> PathBuf {
        self.end_part();
        for (part, bytes) in self.parts.iter().enumerate() {
            std::fs::write(folder.path().join(format!("run-{part}.dacapo")), bytes).expect("a file");
        }
        folder.path().join("run-0.dacapo")
    }

    fn end_part(&mut self) {
        self.check();
        let part = u32::try_from(self.parts.len()).expect("few parts");
        let start = if part == 0 { Start::Birth } else { Start::Saved };
        let header = Header::new(&self.config, &seed(), EPOCH);
        let header = Header { start, start_us: self.part_since.as_micros(), part, ..header };
        let saved = if part == 0 { Vec::new() } else { block_saved(&self.saved) };
        self.parts.push([head(&header), saved, self.direct.monitor.take(), block_end()].concat());
    }

    /// Begins another part.
    fn next_part(&mut self) {
        self.end_part();
        self.saved = self.direct.server().save();
        self.part_since = self.direct.now();
        let now = self.direct.now();
        let (server, tape) = self.direct.monitored();
        tape.resume(server, now);
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
fn everybody_watches(config: Config) -> Shell {
    everybody_watches_in(config, false)
}

/// The same, in one part or in several.
fn everybody_watches_in(mut config: Config, parts: bool) -> Shell {
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
        if parts {
            shell.next_part();
        }
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

/// The recording, taken apart, changed and written again.
fn changed(file: &Path, change: impl FnOnce(&mut Contents)) -> PathBuf {
    let mut contents = read(std::fs::read(file).expect("a file").into()).expect("a recording");
    change(&mut contents);
    let changed = file.with_extension("changed");
    std::fs::write(&changed, write(&contents.header, &contents.entries)).expect("a file");
    changed
}

#[test]
fn a_difference_is_told_with_its_place() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let file = changed(&file, |contents| {
        contents.header.build = "0.0.9".to_owned();
        let sent = contents.entries.iter_mut().filter(|entry| matches!(entry.event, Event::Sent { .. }));
        let Some(Event::Sent { check, .. }) = sent.last().map(|entry| &mut entry.event) else { return };
        *check ^= 1;
    });
    let ended = dacapo(&["replay", &file.to_string_lossy(), "--log", "warn"]);
    assert_eq!(ended.status.code(), Some(3), "{ended}");
    let marked: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("# DIFFERS")).collect();
    assert!(marked.len() == 1 && marked[0].contains("its bytes from"), "{}", ended.stdout);
    for words in ["recorded by dacapo 0.0.9", "another build", "1 difference"] {
        assert!(ended.stdout.contains(words), "{words:?}: {}", ended.stdout);
    }
}

#[test]
fn a_recording_that_was_cut_off_is_played_up_to_there() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let bytes = std::fs::read(&file).expect("a file");
    let torn = folder.path().join("torn");
    let whole = [&bytes[..bytes.len() - block_end().len()], &b"E\x40\0\0\0half a block"[..]].concat();
    std::fs::write(&torn, whole).expect("a file");
    let ended = dacapo(&["replay", &torn.to_string_lossy()]);
    assert_eq!(ended.status.code(), Some(0), "{ended}");
    let at = bytes.len() - block_end().len();
    assert!(ended.stdout.contains(&format!("cut off at byte {at}")), "{}", ended.stdout);
    for (text, said) in [("FLV", "not a recording"), ("dacapo recording 7 x\n", "format 7")] {
        std::fs::write(&torn, text).expect("a file");
        let ended = dacapo(&["replay", &torn.to_string_lossy()]);
        assert!(ended.status.code() == Some(2) && ended.stderr.contains(said), "{ended}");
    }
    let ended = dacapo(&["replay", "/nowhere/at/all"]);
    assert!(ended.status.code() == Some(2) && ended.stderr.contains("/nowhere/at/all"), "{ended}");
}

#[test]
fn what_is_told_can_be_chosen() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let told = |args: &[&str]| {
        let ended = dacapo(&[&["replay", &file.to_string_lossy()], args].concat());
        assert!(ended.status.success(), "{ended}");
        let lines = ended.stdout.lines().filter(|line| line.contains("  live/cam1")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let all = told(&[]);
    assert!(told(&["--log", "trace"]).len() > all.len());
    assert!(told(&["--log", "info"]).len() < all.len());
    let one = told(&["--conn", "#1"]);
    assert!(one.len() > 3 && one.iter().all(|line| line.contains(" #1 ")), "{one:#?}");
    let cid = one[0].split_whitespace().nth(2).expect("the column of words");
    assert_eq!(told(&["--conn", cid]), one);
    let chosen = told(&["--stream", "live/*"]);
    assert!(all.iter().all(|line| chosen.contains(line)), "{chosen:#?}");
    assert_eq!(told(&["--stream", "other/*"]), Vec::<String>::new());
    assert!(told(&["--until", "0.05"]).len() < all.len() / 2);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = everybody_watches(Config::default()).finish(&folder);
    let line =
        format!("set -o pipefail; {} replay {} --log trace | head -1", binary().display(), file.display());
    let ended = Tool::new("bash").arg("-c").arg(line).run(secs(30));
    assert_eq!((ended.stdout.lines().count(), ended.stderr.as_str()), (1, ""));
}

#[test]
fn a_copy_without_names_tokens_and_addresses_replays() {
    let folder = TempDir::new().expect("a temporary directory");
    let mut config = Config::default();
    let rule = "[(pattern: \"live/cam*\", hls: (segment_ms: 1000))]";
    config.streams =
        dacapo::config::load(&format!("(streams: {rule})"), "a test", &[]).expect("sound").streams;
    let file = everybody_watches(config).finish(&folder);
    let copy = folder.path().join("copy");
    let (from, to) = (file.to_string_lossy().into_owned(), copy.to_string_lossy().into_owned());
    let told = dacapo(&["record", "redact", &from, &to]);
    assert!(told.status.success() && told.stdout.contains("replays with nothing different"), "{told}");
    let (before, after) = (std::fs::read(&file).expect("a file"), std::fs::read(&copy).expect("a file"));
    let holds = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    let octets = [4, 198, 18, 7, 9];
    for word in [&b"cam1"[..], b"s3cr3t-t0ken", b"198.18.0.1:8080", &octets, b"live/cam*"] {
        assert!(holds(&before, word), "{word:?} was there");
        assert!(!holds(&after, word), "{word:?} is left");
    }
    let seed: String = seed().reveal().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(holds(&before, seed.as_bytes()) && !holds(&after, seed.as_bytes()));
    let mode = std::os::unix::fs::MetadataExt::mode(&copy.metadata().expect("a file"));
    assert_eq!(mode & 0o777, 0o600);

    let dump = folder.path().join("dump");
    let ended = dacapo(&["replay", &to, "--dump", &dump.to_string_lossy()]);
    assert!(ended.status.success() && ended.stdout.contains("the same, bit for bit"), "{ended}");
    let files = std::fs::read_dir(&dump).expect("a directory").map(|entry| entry.expect("an entry").path());
    let flv: Vec<Packets> = files
        .filter(|file| file.extension().is_some_and(|end| end == "flv"))
        .map(|file| packets(&file))
        .collect();
    assert!(flv.len() == 4 && flv.iter().all(|packets| packets.video.packets.len() == 10));

    let again = dacapo(&["record", "redact", &from, &to]);
    assert!(again.status.code() == Some(1) && again.stderr.contains("exists"), "{again}");
    assert_eq!(std::fs::read(&copy).expect("a file"), after, "what was there is left alone");
}

#[test]
fn parts_of_a_recording_are_played_in_their_order_and_each_alone() {
    let folder = TempDir::new().expect("a temporary directory");
    let first = everybody_watches_in(Config::default(), true).finish(&folder);
    let count = std::fs::read_dir(folder.path()).expect("a directory").count();
    assert!(count > 5, "{count} parts");
    let all = folder.path().to_string_lossy().into_owned();
    let dump = TempDir::new().expect("a temporary directory");
    let ended = dacapo(&["replay", &all, "--log", "info", "--dump", &dump.path().to_string_lossy()]);
    assert!(ended.status.success(), "{ended}");
    for words in
        ["the same, bit for bit", "9 connections", &format!("{count} parts, from 0 to {}", count - 1)]
    {
        assert!(ended.stdout.contains(words), "{words:?}: {}", ended.stdout);
    }
    let flv = packets(&dump.path().join("1-live_cam1.flv"));
    assert_eq!(flv.video.packets.len(), 10, "across all parts");
    for part in 0..count {
        let file = folder.path().join(format!("run-{part}.dacapo"));
        let ended = dacapo(&["replay", &file.to_string_lossy(), "--log", "off"]);
        assert!(ended.status.success(), "part {part}: {ended}");
    }
    let copies = TempDir::new().expect("a temporary directory");
    let copy = copies.path().join("copy").to_string_lossy().into_owned();
    let told = dacapo(&["record", "redact", &all, &copy]);
    assert!(told.status.success(), "{told}");
    assert!(dacapo(&["replay", &copy]).stdout.contains("the same, bit for bit"));
    std::fs::remove_file(&first).expect("it is there");
    assert!(dacapo(&["replay", &all]).status.success(), "the newest parts are enough");
    std::fs::remove_file(folder.path().join("run-3.dacapo")).expect("it is there");
    assert!(dacapo(&["replay", &all]).status.success(), "a part may be missing");
    let told = dacapo(&["record", "redact", &all, &copy]);
    assert!(told.status.code() == Some(2), "it would be no recording of all: {told}");
    let later = folder.path().join("run-4.dacapo").to_string_lossy().into_owned();
    let alone = copies.path().join("alone").to_string_lossy().into_owned();
    let told = dacapo(&["record", "redact", &later, &alone]);
    assert!(told.status.success(), "a part that begins with a saved server: {told}");
    let bytes = std::fs::read(&alone).expect("a file");
    assert!(!bytes.windows(4).any(|window| window == b"cam1"), "a name is left");
    assert!(dacapo(&["replay", &alone]).stdout.contains("the same, bit for bit"));
}
