//! Transcripts: what peers say, what they hear, and what is asked of the server meanwhile.
//!
//! The server is played by [`Peer`]: it grants what is asked, unless a test says otherwise. Captures in
//! `fixtures/captures/rtmp` are what real programs sent, byte for byte.

mod hostile;
mod play;
mod publish;

use super::*;
use crate::base::id::Cid;
use crate::base::limit::Limit;
use crate::base::outbox::Outbox;
use crate::base::rng::{Rng, Seed};
use crate::base::time::Epoch;
use crate::config::Config;
use crate::media::stream_info::StreamInfo;
use crate::session::ask::{Ask, Playing, Refusal};
use crate::status::Identity;
use crate::wire::amf0::Value;
use crate::wire::rtmp::chunk::{Limits, Message, Reader, write_message};
use crate::wire::rtmp::message::{Command, type_id};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::Arc;

/// What real programs sent.
const CAPTURES: [(&str, &[u8]); 8] = [
    // Ends in the middle of a message.
    ("obs publish", include_bytes!("../../../../fixtures/captures/rtmp/obs-29.0-publish-start/client.bin")),
    (
        "ffmpeg publish",
        include_bytes!("../../../../fixtures/captures/rtmp/ffmpeg-5.1-publish-start/client.bin"),
    ),
    (
        "gstreamer publish",
        include_bytes!("../../../../fixtures/captures/rtmp/gstreamer-1.22-publish-start/client.bin"),
    ),
    (
        "librtmp publish",
        include_bytes!("../../../../fixtures/captures/rtmp/librtmp-2.4-publish-start/client.bin"),
    ),
    ("ffmpeg play", include_bytes!("../../../../fixtures/captures/rtmp/ffmpeg-5.1-play-start/client.bin")),
    (
        "rtmpdump play",
        include_bytes!("../../../../fixtures/captures/rtmp/rtmpdump-2.4-play-start/client.bin"),
    ),
    (
        "rtmpdump play digest",
        include_bytes!("../../../../fixtures/captures/rtmp/rtmpdump-2.4-play-digest-start/client.bin"),
    ),
    (
        "gstreamer play",
        include_bytes!("../../../../fixtures/captures/rtmp/gstreamer-1.22-play-start/client.bin"),
    ),
];

fn capture(name: &str) -> &'static [u8] {
    CAPTURES.iter().find(|(known, _)| *known == name).expect("a capture").1
}

#[test]
fn the_same_bytes_give_the_same_replies_however_they_are_split() {
    for (name, bytes) in CAPTURES {
        let mut whole = Peer::new();
        whole.send(bytes);
        let (said, asked) = (whole.raw(), whole.asked());
        assert!(said.len() > 3073 + 500, "{name}: the peer was answered");
        for step in [1, 2, 3, 7, 127, 1000, 1537, 1538, 3074] {
            let mut split = Peer::new();
            bytes.chunks(step).for_each(|piece| split.send(piece));
            assert_eq!(split.raw(), said, "{name} in pieces of {step}");
            assert_eq!(split.asked(), asked, "{name} in pieces of {step}");
        }
    }
}

/// A peer, and the server as far as it needs one.
struct Peer {
    session: RtmpSession,
    config: Config,
    now: Instant,
    rng: Rng,
    out: Outbox,
    inbox: Inbox,
    asks: VecDeque<Ask>,
    /// What the server answers to `Publish`.
    publish: Result<(), Refusal>,
    /// What the server answers to `Play`: whether the stream is live.
    play: Result<bool, Refusal>,
    /// What was asked so far, one line each.
    asked: Vec<String>,
    /// Why the connection ended.
    ended: Option<Reason>,
    reader: Reader,
    read: Inbox,
}

impl Peer {
    fn new() -> Self {
        Peer::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let mut rng = Seed::from_u64(1).fork(b"peer");
        let mut out = Outbox::new(1 << 20, Limit::OutboxBytes);
        let mut asks = VecDeque::new();
        let now = Instant::from_micros(1_000_000);
        let session = RtmpSession::new(&mut cx(now, &config, &mut rng, &mut out, &mut asks));
        Peer {
            session,
            now,
            rng,
            out,
            inbox: Inbox::new(config.limits.unproven_bytes),
            asks,
            config,
            publish: Ok(()),
            play: Ok(true),
            asked: Vec::new(),
            ended: None,
            reader: Reader::new(LIMITS, 0, u32::MAX),
            read: Inbox::new(1 << 24),
        }
    }

    /// A peer after handshake and `connect`, which have been looked at.
    fn connected() -> Self {
        Peer::connected_with(Config::default())
    }

    fn connected_with(config: Config) -> Self {
        let mut peer = Peer::shaken(config);
        peer.call("connect", 1, Value::object([("tcUrl", "rtmp://h/live".into())]), &[]);
        peer.said();
        peer.asked();
        peer
    }

    /// A peer after the handshake.
    fn shaken(config: Config) -> Self {
        let mut peer = Peer::with(config);
        peer.send(&[&[3][..], &[0; 3072]].concat());
        assert_eq!(peer.raw().len(), 3073);
        peer
    }

    fn cx<T>(&mut self, act: impl FnOnce(&mut RtmpSession, &mut Cx<'_>, &mut Inbox) -> T) -> T {
        let mut cx = cx(self.now, &self.config, &mut self.rng, &mut self.out, &mut self.asks);
        act(&mut self.session, &mut cx, &mut self.inbox)
    }

    /// The peer sends bytes, and everything that follows from them happens.
    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.ended.is_none() {
            let room = self.inbox.limit() - self.inbox.len();
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            assert!(!piece.is_empty(), "the session leaves its inbox alone");
            assert!(self.inbox.receive(piece));
            bytes = rest;
            self.settle();
        }
    }

    fn settle(&mut self) {
        loop {
            let result = self.cx(|session, cx, inbox| session.receive(cx, inbox));
            let answered = self.perform();
            match result {
                Ok(progress) if progress == Progress::More || answered => {}
                Ok(_) => return,
                Err(reason) => return self.ended = Some(reason),
            }
        }
    }

    /// Does what was asked. True if something was answered.
    fn perform(&mut self) -> bool {
        let mut answered = false;
        while let Some(ask) = self.asks.pop_front() {
            self.asked.push(line(&ask));
            let answer = match ask {
                Ask::Publish { .. } => Answer::Publish(self.publish.clone()),
                Ask::Play { .. } => Answer::Play(self.play.clone().map(|live| match live {
                    true => Playing::Live(Arc::new(StreamInfo::default())),
                    false => Playing::Waiting,
                })),
                _ => continue,
            };
            answered = true;
            self.answer(answer);
        }
        answered
    }

    fn answer(&mut self, answer: Answer) {
        if let Err(reason) = self.cx(|session, cx, _| session.answer(cx, answer)) {
            self.ended = Some(reason);
        }
        self.perform();
    }

    /// The peer sends a message.
    fn message(&mut self, timestamp: u32, type_id: u8, payload: &[u8]) {
        let mut bytes = Vec::new();
        write_message(&mut bytes, 128, 3, timestamp, type_id, 1, payload);
        self.send(&bytes);
    }

    /// The peer calls something.
    fn call(&mut self, name: &str, transaction: u32, object: Value, args: &[Value]) {
        let command =
            Command { name: name.into(), transaction: transaction.into(), object, args: args.to_vec() };
        let mut payload = BytesMut::new();
        command.encode(&mut payload);
        self.message(0, type_id::COMMAND, &payload);
    }

    /// The same, with no object and strings as arguments.
    fn say(&mut self, name: &str, transaction: u32, args: &[&str]) {
        let args: Vec<Value> = args.iter().map(|arg| (*arg).into()).collect();
        self.call(name, transaction, Value::Null, &args);
    }

    /// The bytes that the peer has got since the last look.
    fn raw(&mut self) -> Vec<u8> {
        let bytes = self.out.slices().flatten().copied().collect();
        self.out.advance(self.out.len());
        bytes
    }

    /// The messages that the peer has got since the last look, one line each.
    fn said(&mut self) -> Vec<String> {
        let bytes = self.raw();
        assert!(self.read.receive(&bytes));
        let mut lines = Vec::new();
        while let Some(item) = self.reader.next(&mut self.read).expect("what we send is right") {
            if let Item::Message(message) = item {
                lines.push(told(&message));
            }
        }
        lines
    }

    /// The commands among them, whole.
    fn commands(&mut self) -> Vec<Command> {
        let bytes = self.raw();
        assert!(self.read.receive(&bytes));
        let mut commands = Vec::new();
        while let Some(item) = self.reader.next(&mut self.read).expect("what we send is right") {
            if let Item::Message(message) = item
                && let Ok(Content::Command(command)) = Content::parse(&message)
            {
                commands.push(command);
            }
        }
        commands
    }

    /// What was asked since the last look.
    fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// Time passes, and the session is woken when it wants to be.
    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some((at, _)) = self.session.deadline().filter(|(at, _)| *at <= until) {
            assert!(at > self.now, "a deadline lies ahead");
            self.now = at;
            if let Err(reason) = self.cx(|session, cx, _| session.tick(cx)) {
                self.ended = Some(reason);
                return;
            }
            self.perform();
        }
        self.now = until;
    }
}

const LIMITS: Limits =
    Limits { chunk_size_max: 1 << 24, message_bytes_max: 1 << 24, partial_bytes_max: 1 << 24 };

static IDENTITY: Identity = Identity { server: String::new(), service: String::new(), pid: 0 };

fn cx<'a>(
    now: Instant,
    config: &'a Config,
    rng: &'a mut Rng,
    out: &'a mut Outbox,
    asks: &'a mut VecDeque<Ask>,
) -> Cx<'a> {
    let peer = ([127, 0, 0, 1], 40_000).into();
    Cx { now, epoch: Epoch(0), config, cid: Cid(*b"testpeer"), peer, identity: &IDENTITY, rng, out, asks }
}

/// An ask as a line.
fn line(ask: &Ask) -> String {
    match ask {
        Ask::Introduce(who) => format!("introduce {:?} {:?}", who.kind, who.tc_url),
        Ask::Publish { name, query } => format!("publish {} ?{}", name.path(), &**query),
        Ask::Play { name, query, format } => format!("play {} ?{} as {format:?}", name.path(), &**query),
        Ask::Frame(frame) => format!("frame {frame:?}"),
        other => format!("{other:?}"),
    }
}

/// A message to the peer as a line.
fn told(message: &Message) -> String {
    match Content::parse(message).expect("what we send is right") {
        Content::Control(control) => format!("{control:?}"),
        Content::Command(command) => {
            let info = command.args.first().unwrap_or(&Value::Null);
            let text = |key| info.get(key).and_then(Value::as_str).map(str::to_owned);
            let what = match (text("level"), text("code")) {
                (Some(level), Some(code)) => format!("{level} {code}"),
                _ => format!("{:?}", command.args),
            };
            format!("{}@{} {} {what}", command.name, message.stream_id, command.transaction)
        }
        Content::Media { body, .. } => format!("data@{} {:?}", message.stream_id, body),
        other => format!("{other:?}"),
    }
}
