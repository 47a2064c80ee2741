//! The world of the driver in production: mio's sockets, helper threads, the flight recorder.

use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::Config;
use crate::driver::{Accepted, Background, Key, Read, Sockets};
use crate::net::procfs::Gauge;
use crate::net::recorder::Recorder;
use crate::net::sockets::{MioSockets, Socket};
use crate::net::workers::Workers;
use crate::server::{Input, Job, Monitor, Output, Server, Taken};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What the program does for the reactor.
pub struct Hooks {
    /// Reads the configuration again. The error is a sentence for the log.
    pub reload: Box<dyn FnMut() -> Result<Config, String>>,
    /// Opens the log file again after it was rotated.
    pub reopen_log: Box<dyn FnMut()>,
}

/// Everything outside the driver.
pub struct NetWorld {
    /// Sockets and listeners.
    pub sockets: MioSockets,
    /// The flight recorder.
    pub recorder: Recorder,
    workers: Workers,
    gauge: Gauge,
    measured: VecDeque<Input<'static>>,
}

impl NetWorld {
    /// A world of parts that run already.
    pub fn new(sockets: MioSockets, recorder: Recorder, workers: Workers) -> Self {
        NetWorld { sockets, recorder, workers, gauge: Gauge::new(), measured: VecDeque::new() }
    }

    /// True if a result waits for which nothing wakes the poll.
    pub fn has_results(&self) -> bool {
        !self.measured.is_empty()
    }

    /// A measurement without a request: the first input of a server, which gives it the process id.
    pub fn introduction(&mut self) -> Input<'static> {
        self.gauge.read_as(Ticket(0))
    }

    /// The input for a configuration that was read again. Its listeners are replaced by those that are open:
    /// a reload changes no listener.
    pub fn reload(&self, mut config: Config) -> Input<'static> {
        let bound: Vec<SocketAddr> = self.sockets.bound().into_iter().map(|(_, addr)| addr).collect();
        config.note_bound(&bound);
        Input::Reload { config: Box::new(config) }
    }

    /// Waits until background work is done and recordings are written, up to a time limit.
    pub fn finish(mut self, now: Instant) {
        self.recorder.finish(now);
        self.workers.finish();
    }
}

impl Background for NetWorld {
    fn start(&mut self, _: Instant, job: Job) {
        match job {
            Job::Store { ticket, op } => self.workers.store(ticket, op),
            Job::Measure { ticket } => self.measured.push_back(self.gauge.read_as(ticket)),
        }
    }

    fn next_result(&mut self, _: Instant) -> Option<Input<'static>> {
        self.measured.pop_front().or_else(|| self.workers.next_result())
    }
}

impl Sockets for NetWorld {
    type Socket = Socket;

    fn accept(&mut self, listener: ListenerId) -> Accepted<Socket> {
        self.sockets.accept(listener)
    }

    fn watch(&mut self, socket: &mut Socket, key: Key) -> Result<(), String> {
        self.sockets.watch(socket, key)
    }

    fn read(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> Read {
        self.sockets.read(socket, buffer)
    }

    fn write(&mut self, socket: &mut Socket, slices: &Slices<'_>, now: Instant) -> Result<Taken, String> {
        self.sockets.write(socket, slices, now)
    }

    fn shutdown(&mut self, socket: &mut Socket) {
        self.sockets.shutdown(socket);
    }

    fn close(&mut self, socket: Socket) {
        self.sockets.close(socket);
    }
}

impl Monitor for NetWorld {
    fn accepted(
        &mut self,
        server: &Server,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        conn: Option<ConnId>,
    ) {
        self.recorder.accepted(server, now, listener, peer, conn);
    }

    fn input(&mut self, server: &Server, now: Instant, input: &Input<'_>) {
        self.recorder.input(server, now, input);
    }

    fn sent(&mut self, now: Instant, conn: ConnId, shown: &Slices<'_>, taken: Taken) {
        self.recorder.sent(now, conn, shown, taken);
    }

    fn after_input(&mut self, server: &Server) {
        self.recorder.after_input(server);
    }

    fn output(&mut self, now: Instant, output: &Output) {
        self.recorder.output(now, output);
    }
}
