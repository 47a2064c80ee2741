//! The one place where a server is told something and asked what it wants.
//!
//! In: connections, inputs, and a [`Perform`] that does what the server wants. Out: calls of that, in the
//! server's order. An [`Monitor`] sees each input before the server does, what was shown and taken of each
//! write, and each output. Every loop goes through here: `net`, the simulator, the replay, tests and benches.

use super::{End, Input, Job, Output, Server, Taken};
use crate::base::id::{ConnId, ListenerId};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use std::net::SocketAddr;

/// A server, told everything through here.
#[derive(Clone, Debug)]
pub struct Engine {
    server: Server,
}

/// Sees everything that a server is told, and what it wants. Every method may be left as it is.
pub trait Monitor {
    /// The server accepted a connection from `peer` as `conn`, or refused it.
    fn accepted(
        &mut self,
        _server: &Server,
        _now: Instant,
        _listener: ListenerId,
        _peer: SocketAddr,
        _conn: Option<ConnId>,
    ) {
    }
    /// The server is about to be told `input`.
    fn input(&mut self, _server: &Server, _now: Instant, _input: &Input<'_>) {}
    /// Of the bytes `shown` for `conn` so many were taken, and the server is about to count them.
    fn sent(&mut self, _now: Instant, _conn: ConnId, _shown: &Slices<'_>, _taken: Taken) {}
    /// The server has handled the last connection, input or write, and was not asked yet what it wants.
    fn after_input(&mut self, _server: &Server) {}
    /// The server wants `output`, which is about to be done.
    fn output(&mut self, _now: Instant, _output: &Output) {}
}

/// Observes nothing.
impl Monitor for () {}

/// Each of them sees everything.
impl<O: Monitor> Monitor for Vec<O> {
    fn accepted(
        &mut self,
        server: &Server,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        conn: Option<ConnId>,
    ) {
        self.iter_mut().for_each(|one| one.accepted(server, now, listener, peer, conn));
    }

    fn input(&mut self, server: &Server, now: Instant, input: &Input<'_>) {
        self.iter_mut().for_each(|one| one.input(server, now, input));
    }

    fn sent(&mut self, now: Instant, conn: ConnId, shown: &Slices<'_>, taken: Taken) {
        self.iter_mut().for_each(|one| one.sent(now, conn, shown, taken));
    }

    fn after_input(&mut self, server: &Server) {
        self.iter_mut().for_each(|one| one.after_input(server));
    }

    fn output(&mut self, now: Instant, output: &Output) {
        self.iter_mut().for_each(|one| one.output(now, output));
    }
}

/// Does what a server wants.
pub trait Perform {
    /// What sees it.
    type Monitor: Monitor;
    /// What sees it.
    fn monitor(&mut self) -> &mut Self::Monitor;
    /// Writes as much as there is room for. `Taken::len` is at most the length of `slices`.
    ///
    /// # Errors
    /// The connection is broken: how, in a few words. The server is told.
    fn write(&mut self, conn: ConnId, slices: &Slices<'_>) -> Result<Taken, String>;
    /// Stops or resumes reading from a connection.
    fn set_reading(&mut self, _conn: ConnId, _on: bool) {}
    /// Closes a connection: with a lingering close, or at once.
    fn close(&mut self, conn: ConnId, linger: bool);
    /// Starts background work. Its result is told as an input, later.
    fn start(&mut self, job: Job);
    /// The server has finished draining.
    fn finished(&mut self) {}
}

impl Engine {
    /// An engine around a server.
    pub fn new(server: Server) -> Self {
        Engine { server }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A connection has come to a listener. `None`: it is refused. [`Engine::perform`] must follow.
    pub fn accept(
        &mut self,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        monitor: &mut impl Monitor,
    ) -> Option<ConnId> {
        let conn = self.server.accept(now, listener, peer);
        monitor.accepted(&self.server, now, listener, peer, conn);
        monitor.after_input(&self.server);
        conn
    }

    /// Tells the server something. [`Engine::perform`] must follow.
    pub fn tell(&mut self, now: Instant, input: Input<'_>, monitor: &mut impl Monitor) {
        monitor.input(&self.server, now, &input);
        self.server.handle(now, input);
        monitor.after_input(&self.server);
    }

    /// Does all that the server wants.
    pub fn perform(&mut self, now: Instant, hands: &mut impl Perform) {
        while let Some(output) = self.server.poll() {
            hands.monitor().output(now, &output);
            match output {
                Output::Write { conn } => self.write(now, conn, hands),
                Output::Read { conn, on } => hands.set_reading(conn, on),
                Output::Close { conn, linger } => hands.close(conn, linger),
                Output::Start(job) => hands.start(job),
                Output::Finished => hands.finished(),
            }
        }
    }

    /// Tells the server something and does all that it wants.
    pub fn step(&mut self, now: Instant, input: Input<'_>, hands: &mut impl Perform) {
        self.tell(now, input, hands.monitor());
        self.perform(now, hands);
    }

    fn write(&mut self, now: Instant, conn: ConnId, hands: &mut impl Perform) {
        let result = self.server.write(now, conn, |slices| {
            let taken = hands.write(conn, slices)?;
            hands.monitor().sent(now, conn, slices, taken);
            Ok(taken)
        });
        match result {
            Ok(()) => hands.monitor().after_input(&self.server),
            Err(how) => self.tell(now, Input::Ended { conn, end: End::Broken(how) }, hands.monitor()),
        }
    }
}
