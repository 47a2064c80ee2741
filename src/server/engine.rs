//! The one place that calls a [`Server`]: gives it inputs and performs its outputs.
//!
//! In: connections, inputs, and a [`Perform`] that performs outputs. Out: calls of that, in the order of the
//! outputs. A [`Monitor`] sees each input before the server does, the bytes of each write, and each output.
//! Every loop uses it: the driver, the simulator, the replay, tests and benches.

use super::{End, Input, Job, Output, Server, Taken};
use crate::base::id::{ConnId, ListenerId};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use std::net::SocketAddr;

/// A server and the calls that it needs, in the order that it needs.
#[derive(Clone, Debug)]
pub struct Engine {
    server: Server,
}

/// Observes all inputs and outputs of a server. Each method does nothing unless it is implemented.
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
    /// The server is about to handle `input`.
    fn input(&mut self, _server: &Server, _now: Instant, _input: &Input<'_>) {}
    /// Some of the bytes `shown` for `conn` were taken; the server is about to count them.
    fn sent(&mut self, _now: Instant, _conn: ConnId, _shown: &Slices<'_>, _taken: Taken) {}
    /// The server has handled a connection, input or write; its outputs follow.
    fn after_input(&mut self, _server: &Server) {}
    /// `output` is about to be performed.
    fn output(&mut self, _now: Instant, _output: &Output) {}
}

/// Observes nothing.
impl Monitor for () {}

/// Every element observes everything.
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

/// Performs the outputs of a server.
pub trait Perform {
    /// Type of the monitor.
    type Monitor: Monitor;
    /// The monitor that observes the server.
    fn monitor(&mut self) -> &mut Self::Monitor;
    /// Writes as many bytes as the socket takes. `Taken::len` is at most the length of `slices`.
    ///
    /// # Errors
    /// The operating system's error if the connection is broken. The engine tells the server.
    fn write(&mut self, conn: ConnId, slices: &Slices<'_>) -> Result<Taken, String>;
    /// Stops or resumes reading from a connection.
    fn set_reading(&mut self, _conn: ConnId, _on: bool) {}
    /// Closes a connection: with a lingering close, or at once.
    fn close(&mut self, conn: ConnId, linger: bool);
    /// Starts background work. The result must be given to the engine later, as an input.
    fn start(&mut self, job: Job);
    /// The drain is over: [`Output::Finished`].
    fn finished(&mut self) {}
}

impl Engine {
    /// An engine that owns `server`.
    pub fn new(server: Server) -> Self {
        Engine { server }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Accepts a connection. `None` if the server refuses it. [`Engine::perform`] must follow.
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

    /// Gives the server an input. [`Engine::perform`] must follow.
    pub fn tell(&mut self, now: Instant, input: Input<'_>, monitor: &mut impl Monitor) {
        monitor.input(&self.server, now, &input);
        self.server.handle(now, input);
        monitor.after_input(&self.server);
    }

    /// Performs outputs until there are none.
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

    /// Gives the server an input and performs the outputs that follow.
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
            // Nothing was counted. The server closes the connection; its outputs are performed by the caller.
            Err(how) => self.tell(now, Input::Ended { conn, end: End::Broken(how) }, hands.monitor()),
        }
    }
}
