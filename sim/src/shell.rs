//! The shell: drives a server as `net` does, in whatever world gives it sockets.
//!
//! In: what a poll would tell (somebody knocks, a socket can be read or written), and the time. Out: reads,
//! writes and closes of [`Sockets`], and when it wants to be called next. On the way every input is handed to
//! the tape, to the trace and to whoever watches, and so is every byte of both directions.
//!
//! Never: knows which world it is in, or lets a connection's hardship depend on another connection.

use crate::canary::Canary;
use crate::checker::Checker;
use crate::disk::Disk;
use crate::socket_faults::{FaultySocket, SocketFaults};
use crate::trace::Trace;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::slices::Slices;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::record::Tape;
use dacapo::server::{End, Input, Output, Server};
use dacapo::status::Vitals;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

/// A socket of the world, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sock(pub u32);

/// What a read gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes; fewer than there was place for: there are no more for now.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer has closed its side.
    Eof,
    /// The connection is broken.
    Broken(String),
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// So many bytes were taken. If they are fewer than were offered, the world tells when there is room
    /// again.
    Taken(usize),
    /// The connection is broken.
    Broken(String),
}

/// Whoever knocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knock {
    /// A peer.
    Peer(Sock, SocketAddr),
    /// Nobody (any more).
    Nobody,
    /// There are no file descriptors left.
    Exhausted,
}

/// The sockets of a world, as an operating system would give them: nothing here ever waits.
pub trait Sockets {
    /// Takes the next peer that knocked at a listener.
    fn accept(&mut self, listener: usize) -> Knock;
    /// Reads once.
    fn read(&mut self, sock: Sock, buffer: &mut [u8]) -> Got;
    /// Writes once, not more than `max` bytes of the slices.
    fn write(&mut self, sock: Sock, slices: &[IoSlice<'_>], max: usize) -> Put;
    /// Says that nothing more will be written.
    fn shutdown(&mut self, sock: Sock);
    /// Drops the socket.
    fn close(&mut self, sock: Sock);
}

/// Most bytes that are read from one connection in a pass.
const READ_BUDGET_BYTES: usize = 256 << 10;

/// How long to wait before accepting again when there are no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How long a peer may take to close its side of a connection that lingers.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes that are thrown away of such a peer.
const DISCARD_BYTES_MAX: usize = 1 << 20;

/// A connection as the shell keeps it.
#[derive(Debug)]
struct Conn {
    id: ConnId,
    sock: Sock,
    seat: u32,
    /// Its peer, unless it is told about others by right.
    peer: Option<SocketAddr>,
    readable: bool,
    /// The peer closed its side: the end must be read for, even behind a short read.
    finished: bool,
    reading: bool,
    queued: bool,
    /// False while the kernel has no room for it.
    room: bool,
    grip: FaultySocket,
}

/// The shell.
pub struct Shell {
    server: Server,
    /// What is recorded of the run.
    pub tape: Tape,
    /// Its trace.
    pub trace: Trace,
    /// Who watches it.
    pub watch: Checker,
    /// The files that the server keeps.
    pub disk: Disk,
    /// What it does wrong on purpose.
    pub canary: Canary,
    /// It is woken to the microsecond, and not after whole milliseconds as an epoll does.
    pub exact: bool,
    services: Vec<Service>,
    /// World time when the server was born, in microseconds.
    born_us: u64,
    now: Instant,
    conns: Vec<Option<Conn>>,
    by_sock: BTreeMap<Sock, ConnId>,
    line: VecDeque<ConnId>,
    writable: VecDeque<Sock>,
    knocked: BTreeSet<usize>,
    accept_at: Option<Instant>,
    /// Connections that are closing: until when, and how much was thrown away.
    closing: BTreeMap<Sock, (Instant, usize)>,
    /// True if a closing connection may have something to throw away.
    stirred: bool,
    /// Sockets that get told that they are writable again, though the world had room all the time.
    nudges: BTreeSet<(Instant, Sock)>,
    seats: u32,
    passes: u64,
    buffer: Vec<u8>,
    /// True once the server has finished draining.
    pub finished: bool,
    grips: Box<dyn Fn(SocketAddr) -> FaultySocket>,
}

impl Shell {
    /// A shell around a newborn server. `grips` says what hardship a peer's socket brings.
    pub fn new(
        server: Server,
        services: Vec<Service>,
        born_us: u64,
        disk: Disk,
        watch: Checker,
        trace: Trace,
        grips: Box<dyn Fn(SocketAddr) -> FaultySocket>,
    ) -> Self {
        Shell {
            server,
            tape: Tape::new(),
            trace,
            watch,
            disk,
            canary: Canary::default(),
            exact: false,
            services,
            born_us,
            now: Instant::ZERO,
            conns: Vec::new(),
            by_sock: BTreeMap::new(),
            line: VecDeque::new(),
            writable: VecDeque::new(),
            knocked: BTreeSet::new(),
            accept_at: None,
            closing: BTreeMap::new(),
            stirred: false,
            nudges: BTreeSet::new(),
            seats: 0,
            passes: 0,
            buffer: vec![0; 64 << 10],
            finished: false,
            grips,
        }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The server's time at the world's time `at_us`.
    pub fn time(&self, at_us: u64) -> Instant {
        Instant::from_micros(at_us.saturating_sub(self.born_us))
    }

    /// Somebody knocked at a listener.
    pub fn knocked(&mut self, listener: usize) {
        self.knocked.insert(listener);
    }

    /// A socket can be read: bytes came, or (`finished`) its end.
    pub fn readable(&mut self, sock: Sock, finished: bool) {
        self.stirred |= self.closing.contains_key(&sock);
        let Some(conn) = self.by_sock.get(&sock).copied().and_then(|id| self.conn(id)) else { return };
        conn.readable = true;
        conn.finished |= finished;
        let id = conn.id;
        if conn.reading && !conn.queued {
            conn.queued = true;
            self.line.push_back(id);
        }
    }

    /// A socket that took less than it was offered has room again.
    pub fn writable(&mut self, sock: Sock) {
        self.writable.push_back(sock);
    }

    /// When the shell wants to be called, in world time; `now_us` if it has something to do at once.
    pub fn wake_us(&self, now_us: u64) -> Option<u64> {
        let knocks = self.accept_at.is_none() && !self.knocked.is_empty();
        let busy = !self.line.is_empty() || !self.writable.is_empty() || self.stirred;
        if busy || knocks || self.disk.has_results(self.now) {
            return Some(now_us);
        }
        let now = self.time(now_us);
        let server = self.server.deadline().map(|deadline| deadline.at);
        let closing = self.closing.values().map(|(at, _)| *at).min();
        let nudge = self.nudges.first().map(|(at, _)| *at);
        let own = [self.accept_at, closing, nudge, self.disk.next_result()];
        let next = own.into_iter().chain([server]).flatten().min()?;
        // As an epoll wakes up: after whole milliseconds.
        let grain = if self.exact { 1 } else { 1000 };
        let us = next.since(now).as_micros().div_ceil(grain) * grain;
        Some(now_us + u64::try_from(us).unwrap_or(u64::MAX >> 1))
    }

    /// One pass of the loop, in the order of `net`'s.
    pub fn pass(&mut self, now_us: u64, net: &mut dyn Sockets) {
        let now = self.time(now_us);
        assert!(now >= self.now, "the shell's clock went back (I13)");
        self.now = now;
        self.disk.now = now;
        while let Some(sock) = self.writable.pop_front() {
            self.tell_writable(sock, net);
        }
        while let Some((at, sock)) = self.nudges.first().copied()
            && at <= now
        {
            self.nudges.pop_first();
            self.tell_writable(sock, net);
        }
        while let Some((ticket, result)) = self.disk.take_result(now) {
            self.tell(Input::Stored { ticket, result }, net);
        }
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
        }
        self.accept(net);
        self.read(net);
        self.expire(net);
        if self.server.deadline().is_some_and(|deadline| deadline.at <= now) && self.canary.lets_tick(now) {
            self.tell(Input::Tick, net);
        }
        self.passes += 1;
        if self.passes.is_multiple_of(16) {
            self.look_for_forgotten();
        }
        self.watch.passed(now, &self.server);
    }

    /// Whoever has bytes and room must have been asked to write (I29).
    fn look_for_forgotten(&mut self) {
        for conn in self.conns.iter().flatten().filter(|conn| conn.room) {
            let mut slices = Slices::default();
            self.server.outbox(conn.id, &mut slices);
            if !slices.is_empty() && !self.server.waits_for_pass(conn.id) {
                self.watch.forgotten(conn.seat);
            }
        }
    }

    /// Tells the server what the operator or the machine wants.
    pub fn command(&mut self, now_us: u64, input: Input<'_>, net: &mut dyn Sockets) {
        self.now = self.time(now_us);
        self.tell(input, net);
    }

    fn tell_writable(&mut self, sock: Sock, net: &mut dyn Sockets) {
        if let Some(conn) = self.by_sock.get(&sock).copied() {
            if let Some(conn) = self.conn(conn) {
                conn.room = true;
            }
            self.tell(Input::Writable { conn }, net);
        }
    }

    fn accept(&mut self, net: &mut dyn Sockets) {
        while self.accept_at.is_none()
            && let Some(listener) = self.knocked.first().copied()
        {
            match net.accept(listener) {
                Knock::Peer(sock, peer) => self.admit(listener, sock, peer, net),
                Knock::Nobody => {
                    self.knocked.remove(&listener);
                }
                Knock::Exhausted => self.accept_at = Some(self.now + EXHAUSTED_PAUSE),
            }
        }
    }

    fn admit(&mut self, listener: usize, sock: Sock, peer: SocketAddr, net: &mut dyn Sockets) {
        let id = ListenerId(u16::try_from(listener).expect("there are few listeners"));
        let conn = self.server.accept(self.now, id, peer);
        self.tape.accepted(self.now, id, peer, conn);
        let seat = conn.map(|_| self.seats);
        self.trace.note(self.now.as_micros(), seat, "accept", peer.to_string().as_bytes());
        self.watch.accepted(self.now, seat, self.services[listener], conn);
        let Some(id) = conn else {
            net.close(sock);
            return self.drain(net);
        };
        self.seats += 1;
        let index = id.index as usize;
        if index >= self.conns.len() {
            self.conns.resize_with(index + 1, || None);
        }
        let (seat, grip) = (self.seats - 1, (self.grips)(peer));
        self.conns[index] = Some(Conn {
            id,
            sock,
            seat,
            peer: (self.services[listener] != Service::Api).then_some(peer),
            readable: true,
            finished: false,
            reading: true,
            queued: true,
            room: true,
            grip,
        });
        self.by_sock.insert(sock, id);
        self.line.push_back(id);
        self.tape.after_input(&self.server);
        self.drain(net);
    }

    /// Reads from everybody in line once, within the budget.
    fn read(&mut self, net: &mut dyn Sockets) {
        for _ in 0..self.line.len() {
            let Some(id) = self.line.pop_front() else { return };
            let mut budget = READ_BUDGET_BYTES;
            while let Some(conn) = self.conn(id) {
                if !conn.readable || !conn.reading {
                    conn.queued = false;
                    break;
                }
                if budget == 0 {
                    self.line.push_back(id);
                    break;
                }
                let len = self.read_once(id, net);
                budget = budget.saturating_sub(len);
            }
        }
    }

    fn read_once(&mut self, id: ConnId, net: &mut dyn Sockets) -> usize {
        let mut buffer = std::mem::take(&mut self.buffer);
        let conn = self.conn(id).expect("the caller has it");
        let max = conn.grip.read_max().min(buffer.len());
        let got = net.read(conn.sock, &mut buffer[..max]);
        let (more, len, input) = match got {
            Got::Bytes(len) => {
                (len == max || conn.finished, len, Some(Input::Received { conn: id, bytes: &buffer[..len] }))
            }
            Got::Nothing => (false, 0, None),
            Got::Eof => (false, 0, Some(Input::Ended { conn: id, end: End::Eof })),
            Got::Broken(how) => (false, 0, Some(Input::Ended { conn: id, end: End::Broken(how) })),
        };
        conn.readable = more;
        if let Some(input) = input {
            self.tell(input, net);
        }
        self.buffer = buffer;
        len
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id.index as usize)?.as_mut().filter(|conn| conn.id == id)
    }

    fn seat_of(&self, id: ConnId) -> Option<u32> {
        let conn = self.conns.get(id.index as usize)?.as_ref();
        conn.filter(|conn| conn.id == id).map(|conn| conn.seat)
    }

    fn tell(&mut self, input: Input<'_>, net: &mut dyn Sockets) {
        self.hand(input);
        self.drain(net);
    }

    /// Hands an input to everybody who must know, the server last.
    fn hand(&mut self, input: Input<'_>) {
        let at_us = self.now.as_micros();
        match &input {
            Input::Received { conn, bytes } => {
                let seat = self.seat_of(*conn);
                self.trace.note(at_us, seat, "received", bytes);
                self.watch.from_client(self.now, seat, bytes);
            }
            Input::Writable { conn } => {
                let seat = self.seat_of(*conn);
                self.trace.note(at_us, seat, "writable", &[]);
            }
            Input::Ended { conn, end } => {
                let what = match end {
                    End::Eof => "end of file",
                    End::Broken(_) => "broken",
                };
                let seat = self.seat_of(*conn);
                self.trace.note(at_us, seat, what, &[]);
            }
            Input::Tick => self.trace.note(at_us, None, "tick", &[]),
            Input::Stored { result, .. } => {
                self.trace.note(at_us, None, if result.is_ok() { "stored" } else { "not stored" }, &[]);
            }
            Input::Reload { .. } => self.trace.note(at_us, None, "reload", &[]),
            Input::Drain => self.trace.note(at_us, None, "drain", &[]),
            _ => self.trace.note(at_us, None, "something else", &[]),
        }
        self.watch.about_to_hear(self.now, &self.server, &input);
        self.tape.input(&self.server, self.now, &input);
        self.server.handle(self.now, input);
        self.tape.after_input(&self.server);
    }

    fn drain(&mut self, net: &mut dyn Sockets) {
        while let Some(output) = self.server.poll() {
            self.tape.output(self.now, &output);
            self.watch.requested(self.now, &output);
            match output {
                Output::Write { conn } => self.write(conn, net),
                Output::Read { conn, on } => self.set_reading(conn, on),
                Output::Close { conn, linger } => self.close(conn, linger, net),
                Output::Finished => {
                    self.trace.note(self.now.as_micros(), None, "finished", &[]);
                    self.finished = true;
                }
                Output::Store { ticket, op } => {
                    self.trace.note(self.now.as_micros(), None, "store", format!("{op:?}").as_bytes());
                    self.disk.start(self.now, ticket, op);
                }
                Output::Measure { ticket } => {
                    self.hand(Input::Measured { ticket, vitals: Box::new(Vitals::default()) });
                }
            }
        }
    }

    fn write(&mut self, id: ConnId, net: &mut dyn Sockets) {
        let Some(Some(conn)) = self.conns.get_mut(id.index as usize) else { return };
        let mut slices = Slices::default();
        self.server.outbox(id, &mut slices);
        let max = conn.grip.write_max();
        let (seat, peer) = (conn.seat, conn.peer);
        let tampered = self.canary.tampers(seat, slices.as_io_slices());
        let put = match &tampered {
            Some(bytes) => net.write(conn.sock, &[IoSlice::new(bytes)], usize::MAX),
            None => net.write(conn.sock, slices.as_io_slices(), max),
        };
        let len = match put {
            Put::Taken(_) if tampered.is_some() => slices.len(),
            Put::Taken(len) => len,
            Put::Broken(how) => return self.hand(Input::Ended { conn: id, end: End::Broken(how) }),
        };
        let room = len == slices.len();
        if !room && len == max {
            self.nudges.insert((self.now + conn.grip.pause(), conn.sock));
        }
        conn.room = room;
        let at_us = self.now.as_micros();
        self.trace.note(at_us, Some(seat), "sent", &len.to_le_bytes());
        match &tampered {
            Some(bytes) => self.watch.to_client(self.now, seat, bytes),
            None => {
                let mut left = len;
                for slice in slices.as_io_slices() {
                    let piece = &slice[..left.min(slice.len())];
                    self.trace.extend(piece);
                    peer.into_iter().for_each(|peer| self.trace.heard(peer, piece));
                    self.watch.to_client(self.now, seat, piece);
                    left -= piece.len();
                }
            }
        }
        if !room {
            self.watch.stalled(self.now, seat);
        }
        let (len, room) = self.canary.reports(len, room);
        self.tape.sent(self.now, id, &slices, len, room);
        let input = Input::Sent { conn: id, len, room };
        self.watch.about_to_hear(self.now, &self.server, &input);
        self.server.handle(self.now, input);
        self.tape.after_input(&self.server);
    }

    fn set_reading(&mut self, id: ConnId, on: bool) {
        self.trace.note(self.now.as_micros(), self.seat_of(id), if on { "read on" } else { "read off" }, &[]);
        let Some(conn) = self.conn(id) else { return };
        conn.reading = on;
        if on && conn.readable && !conn.queued {
            conn.queued = true;
            self.line.push_back(id);
        }
    }

    fn close(&mut self, id: ConnId, linger: bool, net: &mut dyn Sockets) {
        let seat = self.seat_of(id);
        let what = if linger { "close with linger" } else { "close" };
        self.trace.note(self.now.as_micros(), seat, what, &[]);
        self.watch.closed(self.now, seat);
        let Some(slot) = self.conns.get_mut(id.index as usize) else { return };
        let Some(conn) = slot.take_if(|conn| conn.id == id) else { return };
        if !self.canary.lets_close() {
            return;
        }
        self.by_sock.remove(&conn.sock);
        if linger {
            net.shutdown(conn.sock);
            self.closing.insert(conn.sock, (self.now + PATIENCE, 0));
        } else {
            net.close(conn.sock);
        }
    }

    /// Draws away what closing peers still say; drops those that are done or whose time is over.
    fn expire(&mut self, net: &mut dyn Sockets) {
        let now = self.now;
        self.stirred = false;
        let buffer = &mut self.buffer;
        self.closing.retain(|sock, (until, discarded)| {
            let gone = loop {
                match net.read(*sock, buffer) {
                    Got::Bytes(len) => {
                        *discarded += len;
                        if *discarded > DISCARD_BYTES_MAX {
                            break true;
                        }
                    }
                    Got::Nothing => break *until <= now,
                    Got::Eof | Got::Broken(_) => break true,
                }
            };
            if gone {
                net.close(*sock);
            }
            !gone
        });
    }

    /// Nothing goes wrong with the shell's calls from now on.
    pub fn heal(&mut self) {
        self.conns.iter_mut().flatten().for_each(|conn| conn.grip.heal());
        self.grips = Box::new(|peer| FaultySocket::new(0, peer, SocketFaults::default()));
    }

    /// Sockets that the shell holds, those that are closing among them.
    pub fn sockets(&self) -> usize {
        self.by_sock.len() + self.closing.len()
    }

    /// The run is over: nobody is connected, and enough time has passed for everything to be forgotten.
    pub fn finish(&mut self, now_us: u64) {
        let (now, sockets) = (self.time(now_us), self.sockets());
        self.watch.finish(now, &self.server, sockets);
    }

    /// The process is killed: what it held is gone, the disk stays. Sockets are closed by the kernel.
    pub fn killed(mut self, net: &mut dyn Sockets) -> (Disk, Trace) {
        for sock in self.by_sock.keys().chain(self.closing.keys()) {
            net.close(*sock);
        }
        self.disk.crashed();
        (self.disk, self.trace)
    }
}
