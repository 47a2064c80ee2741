//! The simulated process: a [`Driver`] as in production, with instruments around it.
//!
//! In: readiness of listeners and sockets, and the time of the world. Out: calls on the world's sockets, and
//! when the process must run next.

use crate::canary::Canary;
use crate::checker::Checker;
use crate::disk::Disk;
use crate::instruments::{Instrumented, Instruments, SimSocket};
use crate::sock::{Net, Sock};
use crate::socket_faults::FaultySocket;
use crate::trace::Trace;
use dacapo::base::id::ListenerId;
use dacapo::base::time::Instant;
use dacapo::config::Service;
use dacapo::driver::{Driver, Limits, Ready, Wake};
use dacapo::server::{Input, Server};
use std::net::SocketAddr;

/// The simulated process.
pub struct Shell {
    driver: Driver<SimSocket>,
    /// What is put on it.
    pub instruments: Instruments,
    /// It is woken to the microsecond, and not after whole milliseconds as by an epoll.
    pub exact: bool,
    /// World time when the server was born, in microseconds.
    born_us: u64,
    now: Instant,
    passes: u64,
}

/// How often connections with bytes and room are looked for, in passes.
const LOOK_PASSES: u64 = 16;

impl Shell {
    /// A process with a new server. `faults` gives the faults of the socket of a peer.
    pub fn new(
        server: Server,
        services: Vec<Service>,
        limits: Limits,
        born_us: u64,
        (disk, trace): (Disk, Trace),
        (checker, canary): (Checker, Canary),
        faults: Box<dyn Fn(SocketAddr) -> FaultySocket>,
    ) -> Self {
        let driver = Driver::new(server, services.len(), canary.loop_limits(limits));
        let mut instruments = Instruments::new(services, limits, disk, checker, trace, faults);
        instruments.canary = canary;
        Shell { driver, instruments, exact: false, born_us, now: Instant::ZERO, passes: 0 }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        self.driver.server()
    }

    /// True once the server has finished draining.
    pub fn is_finished(&self) -> bool {
        self.driver.is_finished()
    }

    /// The server's time at the world's time `at_us`.
    pub fn time(&self, at_us: u64) -> Instant {
        Instant::from_micros(at_us.saturating_sub(self.born_us))
    }

    /// A connection waits at a listener.
    pub fn acceptable(&mut self, listener: ListenerId) {
        self.driver.acceptable(listener);
    }

    /// A socket can be read: bytes came, or (`finished`) its end.
    pub fn readable(&mut self, sock: Sock, finished: bool) {
        if let Some(key) = self.instruments.key(sock) {
            let ready = self.instruments.readiness(sock, finished);
            self.driver.ready(key, ready);
        }
    }

    /// A socket that took less than it was offered has room again.
    pub fn writable(&mut self, sock: Sock) {
        if let Some(key) = self.instruments.key(sock) {
            self.driver.ready(key, Ready { writable: true, ..Ready::default() });
        }
    }

    /// When the process wants to run next, in world time; `now_us` if it has something to do at once.
    pub fn wake_us(&self, now_us: u64) -> Option<u64> {
        let now = self.time(now_us);
        let wake = self.instruments.deadline(now).into_iter().fold(self.driver.wake(), Wake::or);
        let wait = match wake {
            Wake::At(at) if self.exact => Some(at.since(now)),
            wake => wake.timeout(now),
        };
        let us = u64::try_from((wait? + self.instruments.canary.oversleeps()).as_micros());
        Some(now_us + us.unwrap_or(u64::MAX >> 1))
    }

    /// One pass of the loop.
    pub fn pass(&mut self, now_us: u64, net: &mut Net<'_>) {
        let now = self.time(now_us);
        assert!(now >= self.now, "the shell's clock went back (I13)");
        self.now = now;
        let Shell { driver, instruments, .. } = self;
        while let Some(sock) = instruments.next_nudge(now) {
            if let Some(key) = instruments.key(sock) {
                driver.ready(key, Ready { writable: true, ..Ready::default() });
            }
        }
        // A tick that gets lost is a wake-up that gets lost: every other input tells the time as well.
        let only_ticks =
            matches!(driver.wake(), Wake::At(_)) && instruments.deadline(now).is_none_or(|at| at > now);
        if only_ticks && !instruments.canary.lets_tick(now) {
            return self.passed();
        }
        instruments.loop_checker.pass_begins(now);
        driver.pass(now, &mut Instrumented { instruments, net });
        self.passed();
    }

    fn passed(&mut self) {
        let Shell { driver, instruments, now, .. } = self;
        self.passes += 1;
        if self.passes.is_multiple_of(LOOK_PASSES) {
            // A connection with bytes and room must have been asked to write (I29).
            for socket in driver.sockets() {
                if let Some((conn, number)) = socket.conn
                    && !instruments.is_blocked(conn)
                    && driver.server().has_bytes(conn)
                    && !driver.server().waits_for_pass(conn)
                {
                    instruments.checker.forgotten(number);
                }
            }
        }
        instruments.checker.passed(*now, driver.server());
        if let Some(broken) = instruments.loop_checker.pass_ends() {
            instruments.checker.fail(broken);
        }
    }

    /// Tells the server what the operator or the machine wants.
    pub fn command(&mut self, now_us: u64, input: Input<'_>, net: &mut Net<'_>) {
        self.now = self.time(now_us);
        self.instruments.loop_checker.pass_begins(self.now);
        let Shell { driver, instruments, now, .. } = self;
        driver.tell(*now, input, &mut Instrumented { instruments, net });
    }

    /// No call goes wrong from now on.
    pub fn heal(&mut self) {
        self.driver.sockets_mut().for_each(|socket| socket.faults.heal());
        self.instruments.heal();
    }

    /// Sockets that the process holds, those in lingering close among them.
    pub fn sockets(&self) -> usize {
        self.driver.socket_count() + self.instruments.loop_checker.kept_open_count()
    }

    /// Checks that nothing is held at the end of a run: no connections are left, and all timeouts have
    /// passed.
    pub fn finish(&mut self, now_us: u64) {
        let (now, sockets) = (self.time(now_us), self.sockets());
        self.instruments.checker.finish(now, self.driver.server(), sockets);
    }

    /// The process is killed: what it held is gone, the disk stays. Sockets are closed by the kernel.
    pub fn killed(self, net: &mut Net<'_>) -> (Disk, Trace) {
        let mut socks: Vec<Sock> = self.driver.into_sockets().map(|socket| socket.sock).collect();
        socks.sort_unstable();
        socks.into_iter().for_each(|sock| net.close(sock));
        let Instruments { mut disk, trace, .. } = self.instruments;
        disk.crashed();
        (disk, trace)
    }
}
