//! The network of the tiny world: links, a priority queue of events, and the server's sockets.

use crate::sock::Sock;
use crate::world::link::{Fin, Link};
use dacapo::base::id::ListenerId;
use dacapo::base::slices::Slices;
use dacapo::base::time::Instant;
use dacapo::driver::{Accepted, Key, Read, Sockets};
use dacapo::server::Taken;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Most peers that wait at a listener.
const BACKLOG: usize = 128;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The time that a peer asked for has come.
    Wake(usize),
    /// A peer dials.
    Dial(usize),
    /// A dialling peer's first packet arrives.
    Syn(Sock),
    /// The answer to it arrives.
    SynAck(Sock),
    /// The refusal of it arrives.
    Refused(Sock),
    /// Bytes arrive at the server.
    Up(Sock),
    /// Bytes arrive at the peer.
    Down(Sock),
    /// A reset arrives at the server.
    ResetUp(Sock),
    /// A reset arrives at the peer.
    ResetDown(Sock),
    /// A slow reader reads.
    Read(Sock),
    /// The next deed of the run's plan.
    Deed(usize),
    /// The part of the run ends.
    End,
}

/// What the shell must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// A connection waits at a listener.
    Knock(ListenerId),
    /// Bytes, or the end.
    Readable(Sock, bool),
    /// Room.
    Writable(Sock),
}

/// The network.
#[derive(Debug, Default)]
pub struct Net {
    /// World time in microseconds.
    pub now_us: u64,
    links: BTreeMap<Sock, Link>,
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    socks: u32,
    knocks: BTreeMap<ListenerId, VecDeque<Sock>>,
    /// What the shell must be told, in order.
    pub edges: VecDeque<Edge>,
    /// True while the server's process has no file descriptors left.
    pub exhausted: bool,
    /// True while there is a process that listens.
    pub listening: bool,
}

impl Net {
    /// A network without links, and a process that listens.
    pub fn new() -> Self {
        Net { listening: true, ..Net::default() }
    }

    /// Plans an event.
    pub fn plan(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((at_us.max(self.now_us), self.sequence, event)));
    }

    /// When the next event is.
    pub fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event, if it is due.
    pub fn take(&mut self) -> Option<Event> {
        let Reverse((at, _, event)) = *self.heap.peek()?;
        if at > self.now_us {
            return None;
        }
        self.heap.pop();
        Some(event)
    }

    /// A number for a new link.
    pub fn next_sock(&mut self) -> Sock {
        self.socks += 1;
        Sock(self.socks)
    }

    /// A link that was just dialled; its first packet is on its way.
    pub fn dial(&mut self, link: Link) {
        self.plan(self.now_us + link.traits.latency_us, Event::Syn(link.sock));
        self.links.insert(link.sock, link);
    }

    /// A link.
    pub fn link(&mut self, sock: Sock) -> Option<&mut Link> {
        self.links.get_mut(&sock)
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// A dialling peer's first packet arrives.
    pub fn syn(&mut self, sock: Sock) {
        let Some(link) = self.links.get(&sock) else { return };
        let (listener, back_us) = (link.listener, self.now_us + link.traits.latency_us);
        let queue = self.knocks.entry(listener).or_default();
        if !self.listening || queue.len() >= BACKLOG {
            return self.plan(back_us, Event::Refused(sock));
        }
        queue.push_back(sock);
        self.edges.push_back(Edge::Knock(listener));
        self.plan(back_us, Event::SynAck(sock));
    }

    /// Bytes arrive at the server.
    pub fn up(&mut self, sock: Sock) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&sock) else { return };
        link.up.land(now);
        if link.dropped {
            if !link.up.arrived.is_empty() {
                self.reset_down(sock);
            } else if link.up.fin == Fin::Arrived {
                self.sweep(sock);
            }
            return;
        }
        let finished = link.up.fin == Fin::Arrived;
        self.edges.push_back(Edge::Readable(sock, finished));
    }

    /// A reset arrives at the server.
    pub fn reset_up(&mut self, sock: Sock) {
        let Some(link) = self.links.get_mut(&sock) else { return };
        link.reset = true;
        link.up.drop_all();
        link.down.drop_all();
        if link.dropped {
            return self.sweep(sock);
        }
        self.edges.push_back(Edge::Readable(sock, true));
    }

    /// The server's kernel resets the connection.
    fn reset_down(&mut self, sock: Sock) {
        let Some(link) = self.links.get_mut(&sock) else { return };
        link.reset = true;
        link.up.drop_all();
        link.down.drop_all();
        let at = self.now_us + link.traits.latency_us;
        self.plan(at, Event::ResetDown(sock));
    }

    /// Moves a peer's bytes.
    pub fn pump_up(&mut self, sock: Sock) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&sock) else { return };
        let mut times = Vec::new();
        link.pump_up(now, |at| times.push(at));
        times.into_iter().for_each(|at| self.plan(at, Event::Up(sock)));
    }

    /// Moves the server's bytes; tells the shell of room.
    pub fn pump_down(&mut self, sock: Sock) {
        let now = self.now_us;
        let Some(link) = self.links.get_mut(&sock) else { return };
        let mut times = Vec::new();
        link.pump_down(now, |at| times.push(at));
        if link.wants_room && link.has_room() && !link.dropped {
            link.wants_room = false;
            self.edges.push_back(Edge::Writable(sock));
        }
        times.into_iter().for_each(|at| self.plan(at, Event::Down(sock)));
    }

    /// Forgets a link that both ends have let go of.
    pub fn sweep(&mut self, sock: Sock) {
        if self.links.get(&sock).is_some_and(|link| link.dropped && link.over) {
            self.links.remove(&sock);
        }
    }

    /// Forgets a link that never came to the server.
    pub fn forget(&mut self, sock: Sock) {
        self.links.remove(&sock);
    }

    /// The process has ended: connections that wait to be accepted are refused.
    pub fn stop_listening(&mut self) {
        self.listening = false;
        for sock in std::mem::take(&mut self.knocks).into_values().flatten() {
            if let Some(link) = self.links.get_mut(&sock) {
                link.dropped = true;
            }
            self.reset_down(sock);
        }
    }
}

impl Sockets for Net {
    type Socket = Sock;

    fn accept(&mut self, listener: ListenerId) -> Accepted<Sock> {
        let queue = self.knocks.get_mut(&listener).filter(|queue| !queue.is_empty());
        let Some(queue) = queue else { return Accepted::Empty };
        if self.exhausted {
            return Accepted::Exhausted;
        }
        while let Some(sock) = queue.pop_front() {
            if let Some(link) = self.links.get(&sock) {
                return Accepted::Peer(sock, link.addr);
            }
        }
        Accepted::Empty
    }

    fn watch(&mut self, _: &mut Sock, _: Key) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, sock: &mut Sock, buffer: &mut [u8]) -> Read {
        let Some(link) = self.links.get_mut(sock) else { return Read::Broken("reset by peer".to_owned()) };
        if link.reset {
            return Read::Broken("reset by peer".to_owned());
        }
        let len = link.up.read(buffer);
        if len > 0 {
            self.pump_up(*sock);
            return Read::Bytes { len, drained: len < buffer.len() };
        }
        if link.up.fin == Fin::Arrived { Read::Eof } else { Read::Nothing }
    }

    fn write(&mut self, sock: &mut Sock, slices: &Slices<'_>, _: Instant) -> Result<Taken, String> {
        let link = self.links.get_mut(sock).ok_or("broken pipe")?;
        if link.reset {
            return Err("reset by peer".to_owned());
        }
        let room = link.traits.send_buffer.saturating_sub(link.down.queue.len());
        let taken = slices.first(room);
        for slice in taken.as_io_slices() {
            link.down.queue.extend_from_slice(slice);
        }
        let taken = Taken { len: taken.len(), room: taken.len() == slices.len() };
        link.wants_room |= !taken.room;
        self.pump_down(*sock);
        Ok(taken)
    }

    fn shutdown(&mut self, sock: &mut Sock) {
        let Some(link) = self.links.get_mut(sock) else { return };
        if link.down.fin == Fin::Open {
            link.down.fin = Fin::Wanted;
        }
        self.pump_down(*sock);
    }

    fn close(&mut self, mut sock: Sock) {
        let Some(link) = self.links.get_mut(&sock) else { return };
        link.dropped = true;
        if link.reset {
            return self.sweep(sock);
        }
        if link.up.arrived.is_empty() {
            self.shutdown(&mut sock);
        } else {
            self.reset_down(sock);
        }
        self.sweep(sock);
    }
}
