//! The whole server, given a list of inputs that is read off any bytes.
//!
//! In: bytes; the first few choose settings, each group behind them is something that happens: a peer comes,
//! says something canned, damaged or random, hangs up; the kernel takes part of what it is offered; time
//! jumps. Out: a panic, if the server panics, if an invariant that it can check itself does not hold, if a
//! deadline does not move, or if connections are left after a drain (I13 to I30, L6, L7).
//!
//! The list is a recording: `cargo run -p fuzz --bin seeds -- recording INPUT FILE` writes it as one, which
//! `dacapo replay` plays and `conformance shrink` makes small.

use crate::{Source, words};
use bytes::Bytes;
use conformance::capture::listener;
use conformance::reader::rtmp::Message;
use dacapo::base::id::ConnId;
use dacapo::base::rng::Seed;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Flush, HlsLayout, Second, Service, Start, print};
use dacapo::record::{ConnNo, Entry, Event, Header, Kernel, Observer, Replay};
use dacapo::server::{End, Output, Server};
use std::collections::BTreeSet;
use std::time::Duration;

/// Plays what `bytes` mean to a server, and sees that it ends well.
pub fn run(bytes: &[u8]) {
    let (header, entries) = decode(bytes);
    let mut watch = Watch::default();
    let mut replay = Replay::new(&header).expect("the header is well-formed");
    replay.run(entries, &mut watch);
    let last = watch.at;
    replay.run([Entry { at: last, event: Event::Drain }], &mut watch);
    if header.kernel == Kernel::Open {
        replay.pass(last + Duration::from_secs(300), &mut watch);
        assert!(replay.is_finished(), "L7: a drain ends without connections");
        assert_eq!(replay.server().deadline(), None, "L6: nothing is left to wake up for");
    }
}

/// Sees that the server is sound after every input.
#[derive(Debug, Default)]
struct Watch {
    at: Instant,
    conns: BTreeSet<ConnId>,
    /// How often in a row the clock ticked without time going on.
    idle: u32,
}

impl Observer for Watch {
    fn happened(&mut self, at: Instant, event: &Event) {
        assert!(at >= self.at, "I13: time goes on");
        let idle = matches!(event, Event::Tick) && at == self.at;
        self.idle = if idle { self.idle + 1 } else { 0 };
        assert!(self.idle < 1000, "I28: a deadline that does not move");
        self.at = at;
    }

    fn opened(&mut self, _at: Instant, _conn_no: ConnNo, conn: ConnId, _server: &Server) {
        assert!(self.conns.insert(conn), "I23: a connection that is there comes again");
    }

    fn requested(&mut self, _at: Instant, _conn_no: Option<ConnNo>, output: &Output) {
        if let Output::Close { conn, .. } = output {
            assert!(self.conns.remove(conn), "I23: closed once");
        }
    }

    fn after_input(&mut self, _at: Instant, server: &Server) {
        server.check();
    }
}

/// The run that `bytes` mean.
pub fn decode(bytes: &[u8]) -> (Header, Vec<Entry>) {
    let mut source = Source(bytes);
    let config = config(source.byte(), source.byte());
    let mut header = Header::new(&config, &Seed::from_u64(7), Epoch(1_700_000_000_000_000));
    let kernel = source.byte();
    header.kernel = if kernel & 3 == 0 { Kernel::Recorded } else { Kernel::Open };
    (header, entries(source, List::default()))
}

/// What the bytes mean to a server that has `conns` connections, from `now` on.
pub fn go_on(source: Source<'_>, conns: u32, now: Instant) -> Vec<Entry> {
    entries(source, List { entries: Vec::new(), now, conns, clocks: vec![0; conns as usize] })
}

fn entries(mut source: Source<'_>, mut list: List) -> Vec<Entry> {
    while !source.is_empty() && list.entries.len() < ENTRIES_MAX {
        list.step(&mut source);
    }
    list.entries
}

/// More than any finding needs.
const ENTRIES_MAX: usize = 512;

/// Settings with limits so small that they are reached.
fn config(first: u8, second: u8) -> Config {
    let mut config = Config::default();
    config.limits.connections = 12;
    config.limits.streams = 2;
    config.limits.players_per_stream = 4;
    config.stream.publish.second = if first & 1 == 0 { Second::Refuse } else { Second::Replace };
    config.stream.publish.linger_ms = [0, 1_000][usize::from(first >> 1 & 1)];
    config.stream.play.flush =
        [Flush::Video, Flush::Frame, Flush::Ms(100), Flush::Auto][usize::from(first >> 2 & 3)];
    config.stream.play.start = [Start::NewestKey, Start::OldestKey][usize::from(first >> 4 & 1)];
    config.stream.play.wait_ms = [0, 2_000][usize::from(first >> 5 & 1)];
    config.stream.ring.frames_max = [16, 64][usize::from(first >> 6 & 1)];
    config.stream.ring.bytes_max = [64 << 10, 32 << 20][usize::from(first >> 7)];
    config.limits.frame_bytes = [64 << 10, 8 << 20][usize::from(first >> 7)];
    config.stream.hls.layout =
        [HlsLayout::Auto, HlsLayout::Ts, HlsLayout::Fmp4, HlsLayout::Auto][usize::from(second & 3)];
    config.stream.hls.encrypt = second & 4 != 0;
    config.stream.hls.segment_ms = [500, 2_000][usize::from(second >> 3 & 1)];
    config.stream.hls.segment_bytes_max = [64 << 10, 16 << 20][usize::from(second >> 4 & 1)];
    config.stream.hls.window = 3;
    config.stream.hls.keep = 1;
    config.stream.hls.dispose_ms = [0, 2_000][usize::from(second >> 5 & 1)];
    config.stream.hls.directory = "files".into();
    if second & 0x40 == 0 {
        config.stream.hls.directory = "".into();
    }
    config
}

/// Entries so far, and what is needed to make the next one.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    now: Instant,
    conns: u32,
    /// Milliseconds of media time, by number.
    clocks: Vec<u32>,
}

impl List {
    fn step(&mut self, source: &mut Source<'_>) {
        let (what, who) = (source.byte(), source.byte());
        let conn_no = ConnNo(u32::from(who) % self.conns.max(1));
        let name = words::NAMES[usize::from(who >> 4) % words::NAMES.len()];
        match what % 20 {
            0 => self.comes(Service::Rtmp, who),
            1 => self.comes(Service::Http, who),
            2 => self.comes(Service::Api, who),
            3 => self.says(conn_no, source.bytes().to_vec()),
            4 => self.says(conn_no, words::rtmp_begin()),
            5 => self.message(conn_no, &words::command(source.byte(), name)),
            6 => {
                let (kind, step) = (source.byte(), source.word());
                let length = usize::from(source.byte());
                self.media(conn_no, kind, step, source.take(length));
            }
            7 => {
                let (kind, stream, timestamp) = (source.byte(), source.byte(), source.long());
                let body = source.bytes().to_vec();
                self.message(conn_no, &Message { kind, stream: u32::from(stream % 3), timestamp, body });
            }
            8 => self.says(conn_no, words::request(source.byte(), name)),
            9 => {
                let (len, room) = (source.word(), source.byte() & 1 == 1);
                self.put(Event::Sent { conn_no, len: len.into(), room, check: 0 });
            }
            10 => self.put(Event::Writable { conn_no }),
            11 => self.put(Event::Ended { conn_no, end: End::Eof }),
            12 => self.put(Event::Ended { conn_no, end: End::Broken("reset".to_owned()) }),
            13 => self.pass(u64::from(source.word()) << (who & 3)),
            14 => self.now = self.now + Duration::from_micros(source.word().into()),
            15 => {
                let length = usize::from(source.byte());
                self.says(conn_no, words::ws_frame(who, source.take(length)));
            }
            16 => self.gop(conn_no, source.byte(), source.byte()),
            17 if who == 0x5a => self.put(Event::Drain),
            17 => self.put(Event::Reload { config: print(&config(source.byte(), source.byte())) }),
            18 => self.begins(name, source.byte()),
            _ => self.fetches(name, source.byte()),
        }
    }

    fn put(&mut self, event: Event) {
        self.entries.push(Entry { at: self.now, event });
    }

    fn comes(&mut self, service: Service, who: u8) {
        let peer =
            std::net::SocketAddr::from(([192, 0, 2, 1 + who % 3], 10_000 + (self.conns % 50_000) as u16));
        let conn_no = Some(ConnNo(self.conns));
        self.put(Event::Accepted { listener: listener(service), peer, conn_no });
        self.conns += 1;
        self.clocks.push(0);
    }

    fn says(&mut self, conn_no: ConnNo, bytes: Vec<u8>) {
        self.put(Event::Received { conn_no, bytes: Bytes::from(bytes) });
    }

    fn message(&mut self, conn_no: ConnNo, message: &Message) {
        self.says(conn_no, message.chunks(words::CHUNK_SIZE as usize));
    }

    /// A media message, `step` milliseconds behind the one before it; from 0x8000 on it goes back.
    fn media(&mut self, conn_no: ConnNo, kind: u8, step: u16, content: &[u8]) {
        let Some(clock) = self.clocks.get_mut(conn_no.0 as usize) else { return };
        *clock = clock.wrapping_add_signed(step.cast_signed().into());
        let message = words::media(kind, *clock, content);
        self.message(conn_no, &message);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.put(Event::Tick);
    }

    /// A keyframe and the pictures that hang on it, with sound between them, and the time that they take.
    fn gop(&mut self, conn_no: ConnNo, which: u8, count: u8) {
        let codecs = which & 0x30;
        for number in 0..2 + count % 30 {
            let content = [conn_no.0 as u8 | 1, number | 1, count | 1, 7];
            self.media(conn_no, codecs | if number == 0 { 4 } else { 7 }, 40, &content);
            self.media(conn_no, codecs | 11, 0, &content);
            self.now = self.now + Duration::from_millis(40);
        }
    }

    /// A publisher comes and says what it is going to send.
    fn begins(&mut self, name: &str, which: u8) {
        let conn_no = ConnNo(self.conns);
        self.comes(Service::Rtmp, which);
        self.says(conn_no, words::rtmp_begin());
        self.message(conn_no, &words::command(0, name));
        for kind in [0, 2] {
            self.media(conn_no, which & 0x70 | kind, 0, &[]);
        }
        self.gop(conn_no, which, which);
    }

    /// A peer requests something of a stream.
    fn fetches(&mut self, name: &str, which: u8) {
        let conn_no = ConnNo(self.conns);
        if which & 15 == 13 {
            self.comes(Service::Rtmp, which);
            self.says(conn_no, words::rtmp_begin());
            return self.message(conn_no, &words::command(3, name));
        }
        let api = (8..=12).contains(&(which & 15));
        self.comes(if api { Service::Api } else { Service::Http }, which);
        self.says(conn_no, words::request(which, name));
    }
}
