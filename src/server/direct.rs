//! A server without sockets, driven by calls: for tests, benches and programs that embed a server.
//!
//! In: connections, inputs, time. Out: calls of [`Peers`]. Background work is done at once and succeeds.

use super::{Engine, Input, Job, Monitor, Perform, Server, Taken};
use crate::base::id::{ConnId, ListenerId};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::status::Vitals;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Most ticks in a row that do not move the deadline of the server (I28).
const TICKS_MAX: usize = 10_000;

/// Receives what a server sends.
pub trait Peers {
    /// Takes bytes of a connection. If it takes fewer than all, the caller of [`Direct`] must give
    /// [`Input::Writable`] later.
    fn write(&mut self, now: Instant, conn: ConnId, slices: &Slices<'_>) -> Taken;
    /// The server has closed a connection.
    fn closed(&mut self, _now: Instant, _conn: ConnId) {}
    /// The drain is over.
    fn finished(&mut self) {}
}

/// A server that is driven by calls.
#[derive(Clone, Debug)]
pub struct Direct<P, O = ()> {
    engine: Engine,
    now: Instant,
    /// Receives the bytes.
    pub peers: P,
    /// Observes the server.
    pub monitor: O,
}

impl<P: Peers, O: Monitor> Direct<P, O> {
    /// Drives `server`, from its own time on.
    pub fn new(server: Server, peers: P, monitor: O) -> Self {
        Direct { now: server.now(), engine: Engine::new(server), peers, monitor }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        self.engine.server()
    }

    /// Goes on with another server, such as one that was loaded.
    pub fn replace_server(&mut self, server: Server) {
        self.engine = Engine::new(server);
    }

    /// The server and its monitor.
    pub fn monitored(&mut self) -> (&Server, &mut O) {
        (self.engine.server(), &mut self.monitor)
    }

    /// The time of the next input.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Accepts a connection. `None` if the server refuses it.
    pub fn accept(&mut self, listener: ListenerId, peer: SocketAddr) -> Option<ConnId> {
        let conn = self.engine.accept(self.now, listener, peer, &mut self.monitor);
        self.perform();
        conn
    }

    /// Gives the server an input and performs its outputs.
    pub fn tell(&mut self, input: Input<'_>) {
        self.engine.tell(self.now, input, &mut self.monitor);
        self.perform();
    }

    /// Moves time without a tick.
    pub fn advance(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Moves time, with a tick at each deadline on the way.
    ///
    /// # Panics
    /// If a deadline does not move, however many ticks the server gets (I28).
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut ticks = 0;
        while let Some(deadline) = self.server().deadline().filter(|deadline| deadline.at <= end) {
            ticks = if deadline.at > self.now { 0 } else { ticks + 1 };
            assert!(ticks < TICKS_MAX, "a deadline that does not move: {} (I28)", deadline.why);
            self.now = self.now.max(deadline.at);
            self.tell(Input::Tick);
        }
        self.now = end;
    }

    fn perform(&mut self) {
        let mut jobs = VecDeque::new();
        loop {
            let Direct { engine, now, peers, monitor } = self;
            engine.perform(*now, &mut Hands { now: *now, peers, monitor, jobs: &mut jobs });
            let input = match jobs.pop_front() {
                Some(Job::Measure { ticket }) => {
                    Input::Measured { ticket, vitals: Box::new(Vitals::default()) }
                }
                Some(Job::Store { ticket, .. }) => Input::Stored { ticket, result: Ok(()) },
                None => return,
            };
            self.engine.tell(self.now, input, &mut self.monitor);
        }
    }
}

struct Hands<'a, P, O> {
    now: Instant,
    peers: &'a mut P,
    monitor: &'a mut O,
    jobs: &'a mut VecDeque<Job>,
}

impl<P: Peers, O: Monitor> Perform for Hands<'_, P, O> {
    type Monitor = O;

    fn monitor(&mut self) -> &mut O {
        self.monitor
    }

    fn write(&mut self, conn: ConnId, slices: &Slices<'_>) -> Result<Taken, String> {
        Ok(self.peers.write(self.now, conn, slices))
    }

    fn close(&mut self, conn: ConnId, _linger: bool) {
        self.peers.closed(self.now, conn);
    }

    fn start(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    fn finished(&mut self) {
        self.peers.finished();
    }
}
