//! The bare loop: the least that a server of live streams can do, for others to be measured against.
//!
//! A publisher's FLV tags are appended to its stream's log; a flush is one `write` per player, straight from
//! the log. No protocol, no settings, no protection: what it costs is the system calls.
//!
//! A connection begins with three bytes, `P` or `G` and the number of the stream; `P` goes on with FLV tags
//! without a file header, `G` gets an FLV file that begins at the newest keyframe.

use crate::clock;
use crate::flv::{self, TAG_HEAD_LEN};
use crate::stamp::Kind;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// How long sound waits for a picture to ride along with, in nanoseconds.
const RIDE_MAX: u64 = 40 * clock::MILLI;

const READ_LEN: usize = 64 << 10;
const LISTENER: Token = Token(usize::MAX);

/// When players get what the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// At every frame.
    Frame,
    /// At every picture; sound rides along, for at most 40 ms.
    Video,
    /// Every so many milliseconds, and at keyframes.
    Ms(u64),
}

impl FromStr for Flush {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "frame" => Ok(Flush::Frame),
            "video" => Ok(Flush::Video),
            number => match number.parse() {
                Ok(ms) if ms > 0 => Ok(Flush::Ms(ms)),
                _ => Err("expected `frame`, `video` or a number of milliseconds".to_owned()),
            },
        }
    }
}

/// The loop.
#[derive(Debug)]
pub struct Bare {
    poll: Poll,
    listener: TcpListener,
    conns: Conns,
    streams: BTreeMap<u16, Stream>,
    flush: Flush,
    /// When which stream must be flushed even if no picture comes.
    due: BinaryHeap<Reverse<(u64, u16)>>,
    buffer: Vec<u8>,
}

type Conns = Vec<Option<Conn>>;

#[derive(Debug)]
struct Conn {
    socket: TcpStream,
    /// What a publisher sent of an incomplete tag, or a peer of the first three bytes.
    inbox: Vec<u8>,
    role: Role,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Unknown,
    Publish(u16),
    Play { stream: u16, at: u64, blocked: bool },
}

#[derive(Debug, Default)]
struct Stream {
    /// File header and decoder configurations.
    head: Vec<u8>,
    log: Vec<u8>,
    /// Position of `log[0]` in the stream.
    base: u64,
    /// Positions of the newest keyframe and of the one before it.
    key: u64,
    key_before: u64,
    /// True while an entry of `Bare::due` stands for it.
    armed: bool,
    players: Vec<usize>,
}

impl Bare {
    /// Listens on `addr`.
    pub fn new(addr: SocketAddr, flush: Flush) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(addr)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let buffer = vec![0; READ_LEN];
        let due = BinaryHeap::new();
        Ok(Bare { poll, listener, conns: Vec::new(), streams: BTreeMap::new(), flush, due, buffer })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let wait = self.due.peek().map(|Reverse((due, _))| due.saturating_sub(clock::now()));
            match self.poll.poll(&mut events, wait.map(Duration::from_nanos)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.flush_due();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(index) => self.handle(index, event),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let token = Token(self.conns.len());
            self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            self.conns.push(Some(Conn { socket, inbox: Vec::new(), role: Role::Unknown }));
        }
    }

    fn handle(&mut self, index: usize, event: &Event) {
        let Some(conn) = &mut self.conns[index] else { return };
        if event.is_writable()
            && let Role::Play { stream, blocked, .. } = &mut conn.role
            && std::mem::take(blocked)
        {
            let stream = *stream;
            let stream = self.streams.entry(stream).or_default();
            stream.write_to(index, &mut self.conns);
        }
        if event.is_readable() {
            self.read(index, event.is_read_closed());
        }
    }

    fn read(&mut self, index: usize, closed: bool) {
        while let Some(conn) = &mut self.conns[index] {
            let len = match conn.socket.read(&mut self.buffer) {
                Ok(0) => return self.conns[index] = None,
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.conns[index] = None,
            };
            conn.inbox.extend_from_slice(&self.buffer[..len]);
            if matches!(conn.role, Role::Unknown) {
                self.greet(index);
            }
            self.take_tags(index);
            if len < READ_LEN && !closed {
                return;
            }
        }
    }

    fn greet(&mut self, index: usize) {
        let Some(conn) = &mut self.conns[index] else { return };
        let Some([word, number @ ..]) = conn.inbox.first_chunk::<3>().copied() else { return };
        conn.inbox.drain(..3);
        let number = u16::from_be_bytes(number);
        let stream = self.streams.entry(number).or_default();
        if word == b'P' {
            conn.role = Role::Publish(number);
            stream.head = flv::FILE_HEADER.to_vec();
            if let Flush::Ms(_) = self.flush {
                self.arm(number, clock::now());
            }
            return;
        }
        conn.role = Role::Play { stream: number, at: stream.key, blocked: false };
        stream.players.push(index);
        // A new socket takes these few bytes.
        if conn.socket.write(&stream.head).is_ok_and(|len| len == stream.head.len()) {
            stream.write_to(index, &mut self.conns);
        } else {
            self.conns[index] = None;
        }
    }

    /// Moves complete tags from a publisher's inbox to its log, and flushes when the rule says so.
    fn take_tags(&mut self, index: usize) {
        let Some(conn) = &mut self.conns[index] else { return };
        let Role::Publish(number) = conn.role else { return };
        let mut inbox = std::mem::take(&mut conn.inbox);
        let mut used = 0;
        while let Some(head) = inbox[used..].first_chunk::<TAG_HEAD_LEN>() {
            let (kind, len) = flv::parse_tag_head(head);
            let Some(tag) = inbox[used..].get(..TAG_HEAD_LEN + len) else { break };
            used += tag.len();
            self.take_tag(number, kind, tag);
        }
        inbox.drain(..used);
        if let Some(conn) = &mut self.conns[index] {
            conn.inbox = inbox;
        }
    }

    fn take_tag(&mut self, number: u16, kind: Option<Kind>, tag: &[u8]) {
        let stream = self.streams.entry(number).or_default();
        let body = &tag[TAG_HEAD_LEN..];
        if body.get(1) == Some(&0) {
            stream.head.extend_from_slice(tag);
            return;
        }
        let video = kind == Some(Kind::Video);
        let key = video && body.first().is_some_and(|byte| byte >> 4 == 1);
        if key {
            stream.begin_gop();
        }
        stream.log.extend_from_slice(tag);
        let now = match self.flush {
            Flush::Frame => true,
            Flush::Video => video,
            Flush::Ms(_) => key,
        };
        if now {
            stream.write_to_all(&mut self.conns);
        } else if self.flush == Flush::Video {
            self.arm(number, clock::now() + RIDE_MAX);
        }
    }

    fn arm(&mut self, number: u16, due: u64) {
        let stream = self.streams.entry(number).or_default();
        if !stream.armed {
            stream.armed = true;
            self.due.push(Reverse((due, number)));
        }
    }

    fn flush_due(&mut self) {
        while let Some(Reverse((due, number))) = self.due.peek().copied()
            && due <= clock::now()
        {
            self.due.pop();
            let stream = self.streams.entry(number).or_default();
            stream.armed = false;
            stream.write_to_all(&mut self.conns);
            if let Flush::Ms(ms) = self.flush {
                self.arm(number, due + ms * clock::MILLI);
            }
        }
    }
}

impl Stream {
    fn end(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// A keyframe follows: players begin there from now on, and the GOP before the last is forgotten.
    fn begin_gop(&mut self) {
        let forget = self.key_before - self.base;
        self.log.drain(..usize::try_from(forget).expect("the log is in memory"));
        self.base = self.key_before;
        self.key_before = self.key;
        self.key = self.end();
    }

    fn write_to_all(&mut self, conns: &mut Conns) {
        let mut players = std::mem::take(&mut self.players);
        players.retain(|index| self.write_to(*index, conns));
        self.players = players;
    }

    /// Writes what the log holds for a player; false if there is none.
    fn write_to(&mut self, index: usize, conns: &mut Conns) -> bool {
        let Some(Conn { socket, role: Role::Play { at, blocked, .. }, .. }) = &mut conns[index] else {
            return false;
        };
        if *blocked {
            return true;
        }
        if *at < self.base {
            *at = self.key;
        }
        while *at < self.end() {
            let from = usize::try_from(*at - self.base).expect("the log is in memory");
            match socket.write(&self.log[from..]) {
                Ok(len) => *at += len as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    *blocked = true;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    conns[index] = None;
                    return false;
                }
            }
        }
        true
    }
}
