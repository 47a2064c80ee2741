//! The event loop around a server: the same on real sockets, in the simulator and in tests.
//!
//! In: readiness of sockets ([`Driver::ready`], [`Driver::acceptable`]), results of background work, and the
//! time. Out: calls of [`Sockets`] and [`Background`], and when the loop must run again ([`Driver::wake`]).
//! The driver owns the server, the queue of readable connections, the budgets of a pass, the lingering close
//! and the pause after the file descriptors ran out. Never: reads a clock, waits, or touches a socket itself.
//!
//! `net` implements the two traits on mio, `sim` on two simulated networks, so the loop that serves is the
//! loop that is simulated. TLS is a [`Sockets`] around another one. Several cores are several drivers.
//!
//! ```text
//!  readiness ──▶ ready ─┐
//!  results ─────────────┤           tell             poll
//!  time ────────────────┴──▶ pass ────────▶ Engine ────────▶ write · read on/off · close · background work
//!                              ▲           (Server)                    │
//!                              └────────── wake ◀──────────────────────┘
//! ```
//!
//! Every call of the server goes through [`Engine`], which shows it to the [`Monitor`] (the flight recorder,
//! the simulator's checks).

mod background;
mod limits;
mod lingering;
mod sockets;
#[cfg(test)]
mod tests;
mod wake;

pub use background::Background;
pub use limits::Limits;
pub use sockets::{Accepted, Key, Read, Ready, Sockets};
pub use wake::Wake;

use crate::base::id::{ConnId, ListenerId};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::server::{End, Engine, Input, Job, Monitor, Perform, Server, Taken};
use lingering::Lingering;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Everything outside a driver: sockets, background work, and what observes the server.
pub trait World: Sockets + Background + Monitor {}

impl<W: Sockets + Background + Monitor> World for W {}

/// The loop around a server. `S` is the type of a socket.
#[derive(Debug)]
pub struct Driver<S> {
    engine: Engine,
    limits: Limits,
    /// By [`ConnId::index`].
    conns: Vec<Option<Conn<S>>>,
    /// Connections that may have bytes to read, in the order in which they became readable.
    readable: VecDeque<ConnId>,
    /// Connections whose sockets have room again.
    writable: VecDeque<ConnId>,
    /// By listener: true if connections may wait there.
    acceptable: Vec<bool>,
    /// When to accept again after the file descriptors ran out.
    accept_at: Option<Instant>,
    lingering: Lingering<S>,
    buffer: Vec<u8>,
    finished: bool,
}

/// The state of a connection in the loop.
#[derive(Debug)]
struct Conn<S> {
    id: ConnId,
    socket: S,
    /// The socket may have bytes that were not read.
    readable: bool,
    /// The peer has closed its side. Readiness reports that once, so the loop reads on even after a short
    /// read.
    read_closed: bool,
    /// The server wants to read from the connection.
    reading: bool,
    /// The connection is in `Driver::readable`.
    queued: bool,
    /// A write was not taken whole, and no room was reported since. Readiness reports room at other times
    /// too.
    full: bool,
}

impl<S> Driver<S> {
    /// A loop around `server`, which has this number of listeners. Connections may wait at each of them
    /// already.
    pub fn new(server: Server, listeners: usize, limits: Limits) -> Self {
        Driver {
            engine: Engine::new(server),
            conns: Vec::new(),
            readable: VecDeque::new(),
            writable: VecDeque::new(),
            acceptable: vec![true; listeners],
            accept_at: None,
            lingering: Lingering::default(),
            buffer: vec![0; limits.read_bytes],
            limits,
            finished: false,
        }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        self.engine.server()
    }

    /// True when the drain of the server is over.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Number of sockets: of connections, and in lingering close.
    pub fn socket_count(&self) -> usize {
        self.conns.iter().flatten().count() + self.lingering.len()
    }

    /// The sockets of connections.
    pub fn sockets(&self) -> impl Iterator<Item = &S> {
        self.conns.iter().flatten().map(|conn| &conn.socket)
    }

    /// The sockets of connections.
    pub fn sockets_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.conns.iter_mut().flatten().map(|conn| &mut conn.socket)
    }

    /// All sockets, including those in lingering close, for a process that ends.
    pub fn into_sockets(self) -> impl Iterator<Item = S> {
        let conns = self.conns.into_iter().flatten().map(|conn| conn.socket);
        conns.chain(self.lingering.into_sockets())
    }

    /// Notes that connections may wait at a listener.
    pub fn acceptable(&mut self, listener: ListenerId) {
        if let Some(acceptable) = self.acceptable.get_mut(usize::from(listener.0)) {
            *acceptable = true;
        }
    }

    /// Notes that a socket is ready. The next [`Driver::pass`] handles it. Readiness of a socket that was
    /// closed in the meantime is ignored.
    pub fn ready(&mut self, key: Key, ready: Ready) {
        match key {
            Key::Conn(index) => {
                let Some(Some(conn)) = self.conns.get_mut(index as usize) else { return };
                if ready.readable || ready.read_closed {
                    conn.readable = true;
                    conn.read_closed |= ready.read_closed;
                    conn.queue(&mut self.readable);
                }
                // Only room that was missing is an input: edges for other reasons would fill recordings.
                if ready.writable && std::mem::take(&mut conn.full) {
                    self.writable.push_back(conn.id);
                }
            }
            Key::Lingering(place) => self.lingering.ready(place),
        }
    }

    /// When [`Driver::pass`] must be called next if nothing becomes ready before.
    pub fn wake(&self) -> Wake {
        // During the pause connections may wait, and must not wake the loop.
        let accepts = self.accept_at.is_none() && self.acceptable.contains(&true);
        let queued = !self.readable.is_empty() || !self.writable.is_empty() || self.lingering.is_ready();
        if accepts || queued {
            return Wake::Now;
        }
        let server = self.server().deadline().map(|deadline| deadline.at);
        [server, self.accept_at, self.lingering.deadline()].into_iter().flatten().fold(Wake::Never, Wake::or)
    }

    /// Runs one pass of the loop at `now`: sockets with room, results of background work, new connections,
    /// received bytes, each within its budget, then a tick if the server's deadline has come. The outputs of
    /// the server are performed after each of these.
    ///
    /// # Panics
    /// If `now` is earlier than in the last call (I13).
    pub fn pass<W: World<Socket = S>>(&mut self, now: Instant, world: &mut W) {
        // First what frees memory and answers peers, then what brings more work.
        while let Some(conn) = self.writable.pop_front() {
            if conn_mut(&mut self.conns, conn).is_some() {
                self.tell(now, Input::Writable { conn }, world);
            }
        }
        while let Some(input) = world.next_result(now) {
            self.tell(now, input, world);
        }
        self.accept(now, world);
        self.read(now, world);
        self.lingering.discard(&self.limits, &mut self.buffer, world);
        if self.server().deadline().is_some_and(|deadline| deadline.at <= now) {
            self.tell(now, Input::Tick, world);
        }
        self.lingering.expire(now, world);
    }

    /// Gives the server an input that comes from no socket and no background work (reload, drain), and
    /// performs its outputs.
    pub fn tell<W: World<Socket = S>>(&mut self, now: Instant, input: Input<'_>, world: &mut W) {
        self.engine.tell(now, input, world);
        self.perform(now, world);
    }

    fn perform<W: World<Socket = S>>(&mut self, now: Instant, world: &mut W) {
        let Driver { engine, limits, conns, readable, lingering, buffer, finished, .. } = self;
        engine.perform(now, &mut Hands { now, limits, conns, readable, lingering, buffer, finished, world });
    }

    fn accept<W: World<Socket = S>>(&mut self, now: Instant, world: &mut W) {
        if self.accept_at.is_some_and(|at| at > now) {
            return;
        }
        self.accept_at = None;
        for place in 0..self.acceptable.len() {
            let listener = ListenerId(u16::try_from(place).expect("the configuration limits the listeners"));
            for count in 0..=self.limits.accepts {
                if !self.acceptable[place] {
                    break;
                }
                // The rest waits for the next pass, so that a burst of connections does not delay reads.
                if count == self.limits.accepts {
                    reached!("the accept budget of a listener was spent");
                    break;
                }
                match world.accept(listener) {
                    Accepted::Peer(socket, peer) => self.admit(now, listener, socket, peer, world),
                    Accepted::Gone => {}
                    Accepted::Empty => self.acceptable[place] = false,
                    Accepted::Exhausted => {
                        reached!("the file descriptors ran out");
                        // The connection stays in the backlog; without a pause the loop would spin on it.
                        self.accept_at = Some(now + self.limits.accept_pause);
                        return;
                    }
                }
            }
        }
    }

    fn admit<W: World<Socket = S>>(
        &mut self,
        now: Instant,
        listener: ListenerId,
        mut socket: S,
        peer: SocketAddr,
        world: &mut W,
    ) {
        let Some(id) = self.engine.accept(now, listener, peer, world) else {
            // Refused: nothing was sent, so there is nothing to linger for.
            world.close(socket);
            return self.perform(now, world);
        };
        if let Err(how) = world.watch(&mut socket, Key::Conn(id.index)) {
            world.close(socket);
            return self.tell(now, Input::Ended { conn: id, end: End::Broken(how) }, world);
        }
        let index = id.index as usize;
        if index >= self.conns.len() {
            self.conns.resize_with(index + 1, || None);
        }
        // Most peers speak first, and their first bytes often arrive with the connection.
        self.conns[index] = Some(Conn {
            id,
            socket,
            readable: true,
            read_closed: false,
            reading: true,
            queued: true,
            full: false,
        });
        self.readable.push_back(id);
        self.perform(now, world);
    }

    /// Reads from each connection in the queue, each within the budget; one with more to read joins the end.
    fn read<W: World<Socket = S>>(&mut self, now: Instant, world: &mut W) {
        for _ in 0..self.readable.len() {
            let Some(id) = self.readable.pop_front() else { return };
            let mut budget = self.limits.read_budget_bytes;
            while let Some(conn) = conn_mut(&mut self.conns, id) {
                if !conn.readable || !conn.reading {
                    // Readiness or the server puts it back into the queue.
                    conn.queued = false;
                    break;
                }
                // To the end of the queue: a fast publisher does not delay the others.
                if budget == 0 {
                    reached!("the read budget of a connection was spent");
                    self.readable.push_back(id);
                    break;
                }
                let len = self.read_once(now, id, world);
                budget = budget.saturating_sub(len);
            }
        }
    }

    /// Reads once and performs the outputs that follow. Returns the number of bytes.
    fn read_once<W: World<Socket = S>>(&mut self, now: Instant, id: ConnId, world: &mut W) -> usize {
        let Some(conn) = conn_mut(&mut self.conns, id) else { return 0 };
        // The input borrows the buffer, so the loop gives it away for that time.
        let mut buffer = std::mem::take(&mut self.buffer);
        let (len, more, input) = match world.read(&mut conn.socket, &mut buffer) {
            Read::Bytes { len, drained } => {
                if drained && conn.read_closed {
                    reached!("the last bytes and the end of a connection came together");
                }
                (len, !drained || conn.read_closed, Some(Input::Received { conn: id, bytes: &buffer[..len] }))
            }
            Read::Nothing => (0, false, None),
            Read::Eof => (0, false, Some(Input::Ended { conn: id, end: End::Eof })),
            Read::Broken(how) => (0, false, Some(Input::Ended { conn: id, end: End::Broken(how) })),
        };
        conn.readable = more;
        if let Some(input) = input {
            self.engine.tell(now, input, world);
        }
        self.buffer = buffer;
        self.perform(now, world);
        len
    }
}

impl<S> Conn<S> {
    /// Joins the queue of readable connections, unless it is in it or the server does not want to read.
    fn queue(&mut self, readable: &mut VecDeque<ConnId>) {
        if self.readable && self.reading && !self.queued {
            self.queued = true;
            readable.push_back(self.id);
        }
    }
}

fn conn_mut<S>(conns: &mut [Option<Conn<S>>], id: ConnId) -> Option<&mut Conn<S>> {
    conns.get_mut(id.index as usize)?.as_mut().filter(|conn| conn.id == id)
}

/// The loop, borrowed to perform outputs.
struct Hands<'a, S, W> {
    now: Instant,
    limits: &'a Limits,
    conns: &'a mut Vec<Option<Conn<S>>>,
    readable: &'a mut VecDeque<ConnId>,
    lingering: &'a mut Lingering<S>,
    buffer: &'a mut [u8],
    finished: &'a mut bool,
    world: &'a mut W,
}

impl<S, W: World<Socket = S>> Perform for Hands<'_, S, W> {
    type Monitor = W;

    fn monitor(&mut self) -> &mut W {
        self.world
    }

    fn write(&mut self, id: ConnId, slices: &Slices<'_>) -> Result<Taken, String> {
        let Some(conn) = conn_mut(self.conns, id) else { return Err("the socket is closed".to_owned()) };
        let taken = self.world.write(&mut conn.socket, slices, self.now)?;
        conn.full = !taken.room;
        Ok(taken)
    }

    fn set_reading(&mut self, id: ConnId, on: bool) {
        let Some(conn) = conn_mut(self.conns, id) else { return };
        conn.reading = on;
        conn.queue(self.readable);
    }

    fn close(&mut self, id: ConnId, linger: bool) {
        let slot = self.conns.get_mut(id.index as usize);
        // `None` if watching the socket failed: it was closed then.
        let Some(conn) = slot.and_then(|slot| slot.take_if(|conn| conn.id == id)) else { return };
        // Its socket stays open after the server has forgotten the connection.
        if linger {
            self.lingering.adopt(conn.socket, self.now, self.limits, self.buffer, self.world);
        } else {
            self.world.close(conn.socket);
        }
    }

    fn start(&mut self, job: Job) {
        self.world.start(self.now, job);
    }

    fn finished(&mut self) {
        *self.finished = true;
    }
}
