//! An attacker: sends bytes that no program would send, or a valid session with damage in it.
//!
//! In: nothing; answers are ignored. Out: bytes, all at once, in pieces or one by one; then it waits, closes
//! or resets, and connects again with other bytes. It expects nothing of the server but that it does not fail
//! and that other peers are not affected.

use super::film::{Film, Plan};
use super::rtmp_client::hello;
use super::{HangUp, Peer, PeerCx};
use conformance::reader::amf::Amf;
use conformance::reader::rtmp::{self, Message, kind};
use conformance::reader::ws;
use conformance::rng::Rng;
use dacapo::config::Service;

/// An attacker.
pub struct Attacker {
    /// Names that others use: "live/a".
    streams: Vec<String>,
    service: Service,
    /// What is left to say on this connection.
    words: Vec<u8>,
    /// How much of it at a time, and how often, in microseconds.
    pace: (usize, u64),
    /// What it does when it has said everything; `None`: it waits.
    end: Option<HangUp>,
    dials_max: u32,
    dials: u32,
}

impl Attacker {
    /// An attacker that knows the names of `streams`, of which there is at least one.
    pub fn new(rng: &mut Rng, streams: &[String]) -> Self {
        Attacker {
            streams: streams.to_vec(),
            service: rng.pick(&[Service::Rtmp, Service::Rtmp, Service::Rtmp, Service::Http, Service::Api]),
            words: Vec::new(),
            pace: (1, 0),
            end: None,
            dials_max: u32::try_from(rng.between(1, 30)).expect("small"),
            dials: 0,
        }
    }

    fn speak(&mut self, cx: &mut PeerCx<'_>) {
        let (count, every_us) = self.pace;
        let rest = self.words.split_off(count.min(self.words.len()));
        cx.out.append(&mut self.words);
        self.words = rest;
        if self.words.is_empty() {
            cx.hang_up = self.end;
        } else {
            cx.wake_at_us = Some(cx.now_us + every_us);
        }
    }
}

impl Peer for Attacker {
    fn name(&self) -> String {
        format!("stranger {:?}", self.service).to_lowercase()
    }

    fn service(&self) -> Service {
        self.service
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        let at = cx.rng.below(self.streams.len());
        let path = self.streams[at].clone();
        self.words = match self.service {
            Service::Rtmp => rtmp_words(cx.rng, &path),
            Service::Http | Service::Api => http_words(cx.rng, &path),
        };
        let all = self.words.len().max(1);
        let some = 1 + cx.rng.below(all);
        self.pace = cx.rng.pick(&[(all, 0), (all, 0), (some, 100_000), (1, 1_000), (1, 900_000)]);
        self.end = cx.rng.pick(&[None, None, Some(HangUp::Fin), Some(HangUp::Reset)]);
        self.speak(cx);
    }

    fn received(&mut self, _cx: &mut PeerCx<'_>, _bytes: &[u8]) {}

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        self.speak(cx);
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.dials += 1;
        if self.dials < self.dials_max {
            cx.dial_at_us = Some(cx.now_us + cx.rng.pick(&[1_000, 100_000, 2_000_000]));
        }
    }

    fn pending(&self, _since_us: u64) -> Option<String> {
        None
    }
}

/// A good session with something broken, or something that never was good.
fn rtmp_words(rng: &mut Rng, path: &str) -> Vec<u8> {
    let mut words = match rng.below(8) {
        0 => {
            let count = rng.pick(&[1, 100, 5_000, 200_000]);
            return rng.bytes(count);
        }
        1 => return http_words(rng, path),
        2 => {
            let mut words = hello(rng);
            words.truncate(rng.below(1538));
            return words;
        }
        3 => {
            let messages = before_connect(rng);
            shaken(rng, &messages)
        }
        _ => {
            let mut messages = opening(rng, path);
            for _ in 0..rng.between(1, 12) {
                let at = rng.below(messages.len() + 1);
                let odd = odd_message(rng, path);
                messages.insert(at, odd);
            }
            shaken(rng, &messages)
        }
    };
    spoil(rng, &mut words);
    words
}

/// Flips bits, cuts, repeats, or leaves it as it is.
fn spoil(rng: &mut Rng, words: &mut Vec<u8>) {
    match rng.below(5) {
        0 => {
            for _ in 0..rng.between(1, 8) {
                let at = rng.below(words.len());
                words[at] ^= 1 << rng.below(8);
            }
        }
        1 => words.truncate(1 + rng.below(words.len())),
        2 => {
            let at = rng.below(words.len());
            let piece = words[at..words.len().min(at + 500)].to_vec();
            words.splice(at..at, piece);
        }
        3 => {
            let noise = rng.bytes(64);
            words.extend(noise);
        }
        _ => {}
    }
}

fn shaken(rng: &mut Rng, messages: &[Message]) -> Vec<u8> {
    let mut words = hello(rng);
    words.extend(rng.bytes(1536));
    let mut size = 128;
    for message in messages {
        words.extend(message.chunks(size));
        if message.kind == kind::SET_CHUNK_SIZE {
            let wanted = message.body.first_chunk().map_or(128, |bytes| u32::from_be_bytes(*bytes));
            size = (wanted as usize).clamp(1, 1 << 24);
        }
    }
    words
}

/// A publisher's or a player's good session.
fn opening(rng: &mut Rng, path: &str) -> Vec<Message> {
    let (app, stream) = path.rsplit_once('/').unwrap_or(("live", path));
    let mut messages = vec![rtmp::connect(app), rtmp::create_stream()];
    if rng.one_in(3) {
        messages.push(rtmp::play(stream));
        return messages;
    }
    let name = rng.pick(&[stream, "strange"]);
    messages.extend([rtmp::publish(name), Message::set_chunk_size(4096)]);
    let mut film = Film::new(Plan::wild(rng), "strange", 0);
    for _ in 0..rng.between(1, 40) {
        messages.extend(film.next(rng).into_iter().filter(|message| message.body.len() < 100_000));
    }
    messages
}

fn before_connect(rng: &mut Rng) -> Vec<Message> {
    let flood = Message { kind: 9, stream: 1, timestamp: 0, body: vec![7; 3_000] };
    match rng.below(3) {
        0 => vec![rtmp::play("a")],
        1 => vec![rtmp::publish("a"), flood],
        _ => vec![flood; 40],
    }
}

/// A message that is well-formed as a chunk and should not be there, or should not be so.
fn odd_message(rng: &mut Rng, path: &str) -> Message {
    let (app, stream) = path.rsplit_once('/').unwrap_or(("live", path));
    let message = |kind, body: Vec<u8>| Message { kind, stream: 1, timestamp: 0, body };
    let number = rng.pick(&[0_u32, 1, 127, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
    match rng.below(20) {
        0 => rtmp::connect(app),
        1 => rtmp::publish(stream),
        2 => rtmp::play(stream),
        3 => Message::command(1, &[Amf::text("dance"), Amf::Number(9.0), Amf::Null]),
        4 => Message::command(1, &[Amf::Number(9.0), Amf::text("publish")]),
        5 => Message::command(1, &[Amf::text("publish"), Amf::Null, Amf::Null, Amf::Number(7.0)]),
        6 => Message::command(1, &[Amf::text("play"), Amf::Number(f64::NAN), Amf::Boolean(true)]),
        7 => message(kind::COMMAND, [3, 0, 1, b'a'].repeat(20_000)),
        8 => message(kind::COMMAND, [&[2, 0, 7][..], b"connect", &[10, 255, 255, 255, 255]].concat()),
        9 => message(kind::COMMAND, [&[12, 255, 255, 255, 255][..], b"short"].concat()),
        10 => Message::command(1, &[Amf::text(&"x".repeat(60_000)), Amf::Number(1.0)]),
        11 => message(kind::SET_CHUNK_SIZE, number.to_be_bytes().to_vec()),
        12 => message(kind::ABORT, rng.between(0, 70_000).to_be_bytes()[4..].to_vec()),
        13 => message(kind::WINDOW_SIZE, number.to_be_bytes().to_vec()),
        14 => message(6, [&number.to_be_bytes()[..], &[rng.number().to_be_bytes()[0]]].concat()),
        15 => {
            let event = u8::try_from(rng.below(40)).expect("small");
            message(kind::USER_CONTROL, [&[0, event][..], &number.to_be_bytes()].concat())
        }
        16 => {
            let kind = u8::try_from(rng.below(256)).expect("a byte");
            let count = rng.below(300);
            message(kind, rng.bytes(count))
        }
        17 => {
            let kind = rng.pick(&[8, 9, 18, 22, 15, 17]);
            let count = rng.pick(&[0, 1, 2, 4, 5, 11, 12, 40]);
            message(kind, rng.bytes(count))
        }
        18 => {
            let body =
                [&[9, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 16, 9, 255, 255, 255][..]; 3];
            message(22, body.concat())
        }
        _ => Message::command(0, &[Amf::text("deleteStream"), Amf::Number(4.0), Amf::Null, Amf::Number(9.0)]),
    }
}

/// Requests that could mean two things, never end, or are none; and broken frames behind good upgrades.
fn http_words(rng: &mut Rng, path: &str) -> Vec<u8> {
    let get = format!("GET /{path}.flv HTTP/1.1\r\nHost: x\r\n");
    let text = match rng.below(14) {
        0 => format!(
            "{get}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
        ),
        1 => format!("{get}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcdGET / HTTP/1.1\r\n\r\n"),
        2 => format!("{get}Content-Length: 99999999999999999999\r\n\r\n"),
        3 => format!("POST /{path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
        4 => format!("{get}X: {}\r\n\r\n", "y".repeat(100_000)),
        5 => format!("{get}{}\r\n", "A: b\r\n".repeat(2_000)),
        6 => format!("{get} folded: x\r\n\r\n"),
        7 => "GET / HTTP/1.1\n\nGET / HTTP/1.1\n\n".to_owned(),
        8 => format!("GET /{}/a.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n", "../".repeat(50)),
        9 => "GET /%00%ff%2e%2e/%.flv?vhost=%00 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        10 => format!("{get}\r\n").repeat(50),
        11 => format!(
            "GET /{path}/seg-18446744073709551616.ts HTTP/1.1\r\nHost: x\r\nRange: bytes=5-1,-0\r\n\r\n"
        ),
        12 => {
            let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            let mut words = format!("{get}{upgrade}").into_bytes();
            for _ in 0..rng.between(1, 5) {
                words.extend(odd_frame(rng));
            }
            return words;
        }
        _ => {
            let count = rng.pick(&[10, 1_000, 50_000]);
            return rng.bytes(count);
        }
    };
    text.into_bytes()
}

/// A frame that a client may not send, or one that it may.
fn odd_frame(rng: &mut Rng) -> Vec<u8> {
    let mask = Some([1, 2, 3, 4]);
    match rng.below(8) {
        0 => ws::frame(ws::opcode::TEXT, b"unmasked", None),
        1 => ws::frame(3, b"unknown", mask),
        2 => ws::frame(ws::opcode::PING, &[7; 126], mask),
        3 => vec![0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        4 => ws::frame(ws::opcode::CONTINUATION, b"of nothing", mask),
        5 => vec![0x09, 0x80, 1, 2, 3, 4],
        6 => ws::frame(ws::opcode::CLOSE, &[3], mask),
        _ => ws::frame(ws::opcode::PING, b"fine", mask),
    }
}
