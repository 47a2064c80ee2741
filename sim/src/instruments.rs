//! The layer between a loop and its simulated world: faults, canaries and checks.
//!
//! In: calls of the [`Driver`](dacapo::driver::Driver) on sockets and background work, and inputs of the
//! server. Out: the same calls on a world's sockets and on the simulated disk. Reads and writes are cut short
//! (`socket_faults`), bytes and numbers are falsified (`canary`), and every input and every byte of both
//! directions goes to the tape, the trace and the checks (`checker`, `loop_checker`).
//!
//! Never: knows the kind of its world, or lets the faults of a connection depend on another connection.

use crate::canary::Canary;
use crate::checker::Checker;
use crate::disk::Disk;
use crate::loop_checker::LoopChecker;
use crate::sock::{Net, Sock};
use crate::socket_faults::{FaultySocket, SocketFaults};
use crate::trace::Trace;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::slices::Slices;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::driver::{Accepted, Background, Key, Limits, Read, Ready, Sockets};
use dacapo::record::Tape;
use dacapo::server::{End, Input, Job, Monitor, Output, Server, Taken};
use dacapo::status::Vitals;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

/// A socket as the loop holds it.
#[derive(Debug)]
pub struct SimSocket {
    /// The world's socket.
    pub sock: Sock,
    /// Its connection, and the number of that in the run.
    pub conn: Option<(ConnId, u32)>,
    /// Its peer, unless what that is told depends on other peers by right (the API).
    apart: Option<SocketAddr>,
    /// How its calls go.
    pub faults: FaultySocket,
}

/// Everything around a loop but the world's sockets.
pub struct Instruments {
    /// What is recorded of the run.
    pub tape: Tape,
    /// The run's trace.
    pub trace: Trace,
    /// The checks of the server and of its bytes.
    pub checker: Checker,
    /// The checks of the loop.
    pub loop_checker: LoopChecker,
    /// The files that the server keeps.
    pub disk: Disk,
    /// What goes wrong on purpose.
    pub canary: Canary,
    services: Vec<Service>,
    faults: Box<dyn Fn(SocketAddr) -> FaultySocket>,
    keys: BTreeMap<Sock, Key>,
    /// By the server's index: the connection, and its number in the run.
    conns: Vec<Option<(ConnId, u32)>>,
    /// The sockets of connections.
    socks: BTreeMap<ConnId, Sock>,
    /// Connections whose last write was not taken whole, and which were not reported to have room since.
    blocked: BTreeSet<ConnId>,
    accepted: u32,
    /// The service and peer of the connection that was accepted last, whose socket is not watched yet.
    newest: Option<(Service, SocketAddr)>,
    measured: VecDeque<Input<'static>>,
    /// When sockets whose writes were cut short here have room again.
    nudges: BTreeSet<(Instant, Sock)>,
}

impl Instruments {
    /// Instruments of a run in which the listeners speak `services`. `faults` says how the calls on a peer's
    /// socket go.
    pub fn new(
        services: Vec<Service>,
        limits: Limits,
        disk: Disk,
        checker: Checker,
        trace: Trace,
        faults: Box<dyn Fn(SocketAddr) -> FaultySocket>,
    ) -> Self {
        Instruments {
            tape: Tape::new(),
            trace,
            checker,
            loop_checker: LoopChecker::new(limits),
            disk,
            canary: Canary::default(),
            services,
            faults,
            keys: BTreeMap::new(),
            conns: Vec::new(),
            socks: BTreeMap::new(),
            blocked: BTreeSet::new(),
            accepted: 0,
            newest: None,
            measured: VecDeque::new(),
            nudges: BTreeSet::new(),
        }
    }

    /// The key under which the loop knows a socket.
    pub fn key(&self, sock: Sock) -> Option<Key> {
        self.keys.get(&sock).copied()
    }

    /// What the loop is told of a socket that the world reports as readable, or (`finished`) as ended.
    pub fn readiness(&mut self, sock: Sock, finished: bool) -> Ready {
        if finished {
            self.loop_checker.finished(sock);
        }
        Ready { readable: true, read_closed: finished && !self.canary.hides_the_end(), writable: false }
    }

    /// The next socket whose room is back, if it is time.
    pub fn next_nudge(&mut self, now: Instant) -> Option<Sock> {
        let (at, sock) = self.nudges.first().copied()?;
        (at <= now).then(|| {
            self.nudges.pop_first();
            sock
        })
    }

    /// When something here is due: background work, or room that comes back.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let measured = (!self.measured.is_empty()).then_some(now);
        let nudge = self.nudges.first().map(|(at, _)| *at);
        [measured, nudge, self.disk.next_result()].into_iter().flatten().min()
    }

    /// No call goes wrong from now on.
    pub fn heal(&mut self) {
        self.faults = Box::new(|peer| FaultySocket::new(0, peer, SocketFaults::default()));
    }

    /// True if the world has no room for a connection, as far as the loop knows.
    pub fn is_blocked(&self, conn: ConnId) -> bool {
        self.blocked.contains(&conn)
    }

    fn number(&self, id: ConnId) -> Option<u32> {
        let conn = self.conns.get(id.index as usize)?.as_ref();
        conn.filter(|(conn, _)| *conn == id).map(|(_, number)| *number)
    }
}

/// The instruments, and the sockets of the world that they are put on.
pub struct Instrumented<'a, 'n> {
    /// The instruments.
    pub instruments: &'a mut Instruments,
    /// The world's sockets.
    pub net: &'a mut Net<'n>,
}

impl Sockets for Instrumented<'_, '_> {
    type Socket = SimSocket;

    fn accept(&mut self, listener: ListenerId) -> Accepted<SimSocket> {
        let accepted = match self.net.accept(listener) {
            Accepted::Peer(sock, peer) => {
                let faults = (self.instruments.faults)(peer);
                Accepted::Peer(SimSocket { sock, conn: None, apart: None, faults }, peer)
            }
            Accepted::Empty => Accepted::Empty,
            Accepted::Gone => Accepted::Gone,
            Accepted::Exhausted => Accepted::Exhausted,
        };
        self.instruments.loop_checker.accepted(listener, &accepted);
        accepted
    }

    fn watch(&mut self, socket: &mut SimSocket, key: Key) -> Result<(), String> {
        let instruments = &mut *self.instruments;
        if let Key::Conn(index) = key {
            socket.conn = instruments.conns.get(index as usize).copied().flatten();
            if let Some((conn, _)) = socket.conn {
                instruments.socks.insert(conn, socket.sock);
            }
            socket.apart =
                instruments.newest.filter(|(service, _)| *service != Service::Api).map(|(_, peer)| peer);
        }
        instruments.keys.insert(socket.sock, key);
        self.net.watch(&mut socket.sock, key)
    }

    fn read(&mut self, socket: &mut SimSocket, buffer: &mut [u8]) -> Read {
        let max = socket.faults.read_max().min(buffer.len());
        let read = self.net.read(&mut socket.sock, &mut buffer[..max]);
        self.instruments.loop_checker.read(socket.sock, &read);
        read
    }

    fn write(&mut self, socket: &mut SimSocket, slices: &Slices<'_>, now: Instant) -> Result<Taken, String> {
        let Instruments { canary, trace, checker, nudges, blocked, .. } = &mut *self.instruments;
        let Some((id, number)) = socket.conn else { return Err("it has no connection".to_owned()) };
        let max = socket.faults.write_max();
        let tampered = canary.tampers(number, slices.as_io_slices());
        let len = match &tampered {
            Some(bytes) => {
                let mut all = Slices::default();
                all.push(bytes);
                self.net.write(&mut socket.sock, &all, now)?;
                slices.len()
            }
            None => self.net.write(&mut socket.sock, &slices.first(max), now)?.len,
        };
        let room = len == slices.len();
        if !room && len == max {
            // The world has room, so it will not report any.
            nudges.insert((now + socket.faults.pause(), socket.sock));
        }
        trace.note(now.as_micros(), Some(number), "sent", &len.to_le_bytes());
        if let Some(bytes) = &tampered {
            checker.to_client(now, number, bytes);
        } else {
            for piece in slices.first(len).as_io_slices() {
                trace.extend(piece);
                socket.apart.into_iter().for_each(|peer| trace.heard(peer, piece));
                checker.to_client(now, number, piece);
            }
        }
        if room {
            blocked.remove(&id);
        } else {
            blocked.insert(id);
            checker.stalled(now, number);
        }
        let (len, room) = canary.reports(len, room);
        Ok(Taken { len, room })
    }

    fn shutdown(&mut self, socket: &mut SimSocket) {
        self.instruments.loop_checker.shut_down(socket.sock);
        self.net.shutdown(&mut socket.sock);
    }

    fn close(&mut self, socket: SimSocket) {
        let instruments = &mut *self.instruments;
        instruments.keys.remove(&socket.sock);
        instruments.loop_checker.closed(socket.sock);
        if instruments.canary.lets_close() {
            self.net.close(socket.sock);
        } else {
            instruments.loop_checker.kept_open(socket.sock);
        }
    }
}

impl Background for Instrumented<'_, '_> {
    fn start(&mut self, now: Instant, job: Job) {
        let Instruments { trace, disk, measured, .. } = &mut *self.instruments;
        match job {
            Job::Store { ticket, op } => {
                trace.note(now.as_micros(), None, "store", format!("{op:?}").as_bytes());
                disk.start(now, ticket, op);
            }
            Job::Measure { ticket } => {
                measured.push_back(Input::Measured { ticket, vitals: Box::new(Vitals::default()) });
            }
        }
    }

    fn next_result(&mut self, now: Instant) -> Option<Input<'static>> {
        let Instruments { disk, measured, .. } = &mut *self.instruments;
        let stored = || disk.take_result(now).map(|(ticket, result)| Input::Stored { ticket, result });
        measured.pop_front().or_else(stored)
    }
}

impl Monitor for Instrumented<'_, '_> {
    fn accepted(
        &mut self,
        server: &Server,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        conn: Option<ConnId>,
    ) {
        let instruments = &mut *self.instruments;
        instruments.tape.accepted(server, now, listener, peer, conn);
        let service = instruments.services[usize::from(listener.0)];
        let number = conn.map(|_| instruments.accepted);
        instruments.trace.note(now.as_micros(), number, "accept", peer.to_string().as_bytes());
        instruments.checker.accepted(now, number, service, conn);
        let (Some(conn), Some(number)) = (conn, number) else { return };
        instruments.accepted += 1;
        instruments.newest = Some((service, peer));
        let index = conn.index as usize;
        if index >= instruments.conns.len() {
            instruments.conns.resize(index + 1, None);
        }
        instruments.conns[index] = Some((conn, number));
    }

    fn input(&mut self, server: &Server, now: Instant, input: &Input<'_>) {
        let instruments = &mut *self.instruments;
        let at_us = now.as_micros();
        let (number, what, bytes): (_, _, &[u8]) = match input {
            Input::Received { conn, bytes } => (instruments.number(*conn), "received", bytes),
            Input::Writable { conn } => (instruments.number(*conn), "writable", &[]),
            Input::Ended { conn, end: End::Eof } => (instruments.number(*conn), "end of file", &[]),
            Input::Ended { conn, end: End::Broken(_) } => (instruments.number(*conn), "broken", &[]),
            Input::Tick => (None, "tick", &[]),
            Input::Stored { result: Ok(()), .. } => (None, "stored", &[]),
            Input::Stored { result: Err(_), .. } => (None, "not stored", &[]),
            Input::Measured { .. } => (None, "measured", &[]),
            Input::Reload { .. } => (None, "reload", &[]),
            Input::Drain => (None, "drain", &[]),
        };
        instruments.trace.note(at_us, number, what, bytes);
        match input {
            Input::Received { bytes, .. } => instruments.checker.from_client(now, number, bytes),
            Input::Writable { conn } => {
                instruments.blocked.remove(conn);
            }
            _ => {}
        }
        instruments.checker.about_to_hear(now, server, input);
        instruments.tape.input(server, now, input);
    }

    fn sent(&mut self, now: Instant, conn: ConnId, shown: &Slices<'_>, taken: Taken) {
        self.instruments.tape.sent(now, conn, shown, taken);
    }

    fn after_input(&mut self, server: &Server) {
        self.instruments.tape.after_input(server);
    }

    fn output(&mut self, now: Instant, output: &Output) {
        let instruments = &mut *self.instruments;
        instruments.tape.output(now, output);
        instruments.checker.requested(now, output);
        let at_us = now.as_micros();
        match output {
            Output::Read { conn, on } => {
                let number = instruments.number(*conn);
                instruments.trace.note(at_us, number, if *on { "read on" } else { "read off" }, &[]);
                if let Some(sock) = instruments.socks.get(conn) {
                    instruments.loop_checker.reading(*sock, *on);
                }
            }
            Output::Close { conn, linger } => {
                let number = instruments.number(*conn);
                let what = if *linger { "lingering close" } else { "close" };
                instruments.trace.note(at_us, number, what, &[]);
                instruments.checker.closed(now, number);
                instruments.socks.remove(conn);
                instruments.blocked.remove(conn);
            }
            Output::Finished => instruments.trace.note(at_us, None, "finished", &[]),
            Output::Write { .. } | Output::Start(_) => {}
        }
    }
}
