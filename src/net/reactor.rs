//! The reactor: mio's poll around a [`Driver`].
//!
//! One thread, edge-triggered. Waits until something is ready or the driver must run, reads the clock once,
//! gives the events to the driver and lets it make a pass. Helper threads write files and recordings. The
//! reactor decides nothing about media or connections.

use crate::base::time::Instant;
use crate::driver::{Driver, Limits, Ready, Wake};
use crate::net::clock::Clock;
use crate::net::signals::{Signal, Signals};
use crate::net::sockets::{Source, source};
use crate::net::world::{Hooks, NetWorld};
use crate::server::{Input, Server};
use mio::event::Event;
use mio::{Events, Poll};
use std::io;

/// Most events of one poll; the others come with the next.
const EVENTS_MAX: usize = 1024;

/// The driver, its world, and the poll.
pub struct Reactor {
    poll: Poll,
    clock: Clock,
    driver: Driver<crate::net::sockets::Socket>,
    world: NetWorld,
    signals: Signals,
    hooks: Hooks,
    /// True after the second signal to end.
    quits: bool,
}

impl Reactor {
    /// A reactor for `server`, whose listeners are open in `world`.
    pub fn new(
        poll: Poll,
        clock: Clock,
        server: Server,
        world: NetWorld,
        signals: Signals,
        hooks: Hooks,
    ) -> Self {
        let listeners = world.sockets.bound().len();
        let driver = Driver::new(server, listeners, Limits::default());
        Reactor { poll, clock, driver, world, signals, hooks, quits: false }
    }

    /// Runs until the server has drained or a second signal ends it.
    ///
    /// # Errors
    /// If the poll of the operating system fails.
    pub fn run(mut self) -> io::Result<()> {
        let introduction = self.world.introduction();
        self.driver.tell(self.clock.now(), introduction, &mut self.world);
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.driver.is_finished() && !self.quits {
            let timeout = self.wake().timeout(self.clock.now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.pass(&events);
        }
        self.world.finish(self.clock.now());
        Ok(())
    }

    fn wake(&self) -> Wake {
        if self.world.has_results() {
            return Wake::Now;
        }
        let world = [self.world.sockets.deadline(), self.world.recorder.deadline()];
        world.into_iter().flatten().fold(self.driver.wake(), Wake::or)
    }

    fn pass(&mut self, events: &Events) {
        let now = self.clock.now();
        for event in events {
            self.take(event, now);
        }
        // Before the pass: a recording must begin between two inputs, when all outputs are performed.
        self.world.recorder.take_orders(self.driver.server(), now, || self.clock.now());
        self.driver.pass(now, &mut self.world);
        self.world.sockets.sweep(now);
        self.world.recorder.maintain(self.driver.server(), now, || self.clock.now());
    }

    fn take(&mut self, event: &Event, now: Instant) {
        match source(event.token()) {
            // It only wakes the loop: results of helper threads are taken in every pass.
            Source::Waker => {}
            Source::Signals => {
                while let Some(signal) = self.signals.take() {
                    self.obey(signal, now);
                }
            }
            Source::Listener(listener) => self.driver.acceptable(listener),
            Source::Socket(key) => {
                let ready = Ready {
                    readable: event.is_readable() || event.is_error(),
                    read_closed: event.is_read_closed(),
                    writable: event.is_writable(),
                };
                self.driver.ready(key, ready);
            }
        }
    }

    fn obey(&mut self, signal: Signal, now: Instant) {
        match signal {
            Signal::Drain => self.driver.tell(now, Input::Drain, &mut self.world),
            Signal::Quit => self.quits = true,
            Signal::Reload => match (self.hooks.reload)() {
                Ok(config) => {
                    let input = self.world.reload(config);
                    self.driver.tell(now, input, &mut self.world);
                }
                Err(error) => {
                    log::warn!("cannot reload the configuration, the old one stays in force: {error}");
                }
            },
            Signal::ReopenLog => {
                (self.hooks.reopen_log)();
                log::info!("the log was reopened");
            }
        }
    }
}
