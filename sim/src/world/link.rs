//! One TCP connection of the tiny world: two pipes with latency, jitter, bandwidth and a window.
//!
//! In: bytes that one end writes, and the time. Out: segments with their times of arrival. As TCP promises,
//! order is kept and nothing is lost; everything else is drawn.

use crate::rng::{Draws, fork};
use crate::sock::Sock;
use bytes::{Buf, BytesMut};
use conformance::rng::Rng;
use dacapo::base::id::ListenerId;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTraits {
    /// Time on the way, in microseconds.
    pub latency_us: u64,
    /// Up to so much more, drawn for each segment.
    pub jitter_us: u64,
    /// Bytes per second.
    pub bandwidth: u64,
    /// Most bytes on the way and unread.
    pub window: usize,
    /// Largest segment; each is drawn from 1 up if `splits`, else as large as can be.
    pub segment: usize,
    /// Whether segments are split at random.
    pub splits: bool,
    /// Most bytes that the server's kernel keeps for it.
    pub send_buffer: usize,
}

impl Default for LinkTraits {
    fn default() -> Self {
        LinkTraits {
            latency_us: 500,
            jitter_us: 0,
            bandwidth: 125_000_000,
            window: 256 << 10,
            segment: 64 << 10,
            splits: false,
            send_buffer: 256 << 10,
        }
    }
}

/// How the end of a pipe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fin {
    /// More may be written.
    Open,
    /// Nothing more will be written.
    Wanted,
    /// The end is on its way.
    Sent,
    /// The end has arrived.
    Arrived,
}

/// One direction.
#[derive(Debug)]
pub struct Pipe {
    /// Written and not yet on its way.
    pub queue: BytesMut,
    /// On its way: when each segment arrives. An empty one is the end.
    flying: VecDeque<(u64, BytesMut)>,
    flying_bytes: usize,
    /// Arrived and not yet read.
    pub arrived: BytesMut,
    /// How its end stands.
    pub fin: Fin,
    /// True while nothing gets through.
    pub held: bool,
    free_at_us: u64,
    last_at_us: u64,
}

impl Pipe {
    fn new() -> Self {
        Pipe {
            queue: BytesMut::new(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            arrived: BytesMut::new(),
            fin: Fin::Open,
            held: false,
            free_at_us: 0,
            last_at_us: 0,
        }
    }

    /// Sends what the window allows. Calls `at` with the arrival of each segment.
    fn pump(&mut self, now_us: u64, traits: &LinkTraits, rng: &mut Rng, mut at: impl FnMut(u64)) {
        while !self.held && !self.queue.is_empty() {
            let room = traits.window.saturating_sub(self.flying_bytes + self.arrived.len());
            let max = room.min(self.queue.len()).min(traits.segment);
            if max == 0 {
                return;
            }
            let len = if traits.splits { rng.scale(1, max as u64) as usize } else { max };
            let segment = self.queue.split_to(len);
            let sending_us = len as u64 * 1_000_000 / traits.bandwidth.max(1);
            self.free_at_us = self.free_at_us.max(now_us) + sending_us;
            self.fly(segment, traits, rng, &mut at);
        }
        if self.fin == Fin::Wanted && self.queue.is_empty() && !self.held {
            self.fin = Fin::Sent;
            self.free_at_us = self.free_at_us.max(now_us);
            self.fly(BytesMut::new(), traits, rng, &mut at);
        }
    }

    fn fly(&mut self, segment: BytesMut, traits: &LinkTraits, rng: &mut Rng, at: &mut impl FnMut(u64)) {
        let jitter = if traits.jitter_us == 0 { 0 } else { rng.between(0, traits.jitter_us) };
        self.last_at_us = self.last_at_us.max(self.free_at_us + traits.latency_us + jitter);
        self.flying_bytes += segment.len();
        self.flying.push_back((self.last_at_us, segment));
        at(self.last_at_us);
    }

    /// Lets the next segment arrive, if it is due.
    pub fn land(&mut self, now_us: u64) {
        if self.flying.front().is_none_or(|(at, _)| *at > now_us) {
            return;
        }
        let Some((_, segment)) = self.flying.pop_front() else { return };
        self.flying_bytes -= segment.len();
        if segment.is_empty() {
            self.fin = Fin::Arrived;
        } else if self.arrived.is_empty() {
            self.arrived = segment;
        } else {
            self.arrived.unsplit(segment);
        }
    }

    /// Reads into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let len = buffer.len().min(self.arrived.len());
        buffer[..len].copy_from_slice(&self.arrived[..len]);
        self.arrived.advance(len);
        len
    }

    /// Everything in it is lost.
    pub fn drop_all(&mut self) {
        self.queue.clear();
        self.flying.clear();
        self.flying_bytes = 0;
        self.arrived.clear();
    }

    /// Written and not yet read.
    pub fn unread(&self) -> usize {
        self.queue.len() + self.flying_bytes + self.arrived.len()
    }
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Everything at once.
    Free,
    /// So many bytes per second.
    Slow(u64),
    /// Not at all.
    Stalled,
}

/// What happens to a connection by itself after so many bytes that the peer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is reset.
    Reset(u64),
    /// The peer's side is closed.
    HalfClose(u64),
    /// The peer says nothing more.
    Mute(u64),
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    /// Its number.
    pub sock: Sock,
    /// Which peer.
    pub person: usize,
    /// The peer's address.
    pub addr: SocketAddr,
    /// Which listener it came to.
    pub listener: ListenerId,
    /// From the peer to the server.
    pub up: Pipe,
    /// From the server to the peer.
    pub down: Pipe,
    /// How it is.
    pub traits: LinkTraits,
    /// How the peer reads.
    pub pace: Pace,
    /// What will happen to it.
    pub fate: Option<Fate>,
    /// Bytes that the peer said.
    pub said: u64,
    /// True while a slow reader's next read is planned.
    pub reads: bool,
    /// The peer has dropped it, or it was reset: the server's next call says so.
    pub reset: bool,
    /// The server has let go of it.
    pub dropped: bool,
    /// The peer was told that it is over.
    pub over: bool,
    /// The server took less than offered and wants to know about room.
    pub wants_room: bool,
    rng: Rng,
}

impl Link {
    /// A link that was just dialled.
    pub fn new(seed: u64, sock: Sock, person: usize, addr: SocketAddr, listener: ListenerId) -> Self {
        Link {
            sock,
            person,
            addr,
            listener,
            up: Pipe::new(),
            down: Pipe::new(),
            traits: LinkTraits::default(),
            pace: Pace::Free,
            fate: None,
            said: 0,
            reads: false,
            reset: false,
            dropped: false,
            over: false,
            wants_room: false,
            rng: fork(seed, &format!("link/{addr}")),
        }
    }

    /// Moves bytes towards the server.
    pub fn pump_up(&mut self, now_us: u64, at: impl FnMut(u64)) {
        self.up.pump(now_us, &self.traits, &mut self.rng, at);
    }

    /// Moves bytes towards the peer.
    pub fn pump_down(&mut self, now_us: u64, at: impl FnMut(u64)) {
        self.down.pump(now_us, &self.traits, &mut self.rng, at);
    }

    /// True if the server's kernel has room worth telling of.
    pub fn has_room(&self) -> bool {
        self.down.queue.len() * 3 <= self.traits.send_buffer * 2
    }
}
