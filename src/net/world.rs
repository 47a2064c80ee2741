//! What the reactor needs of the world besides sockets.
//!
//! In: outputs of the server that take time, and signals. Out: inputs, when something is done. Never
//! blocks the loop.

use crate::base::id::Ticket;
use crate::config::Config;
use crate::net::procfs::Gauge;
use crate::net::signals::{Signal, Signals};
use crate::net::workers::Workers;
use crate::server::{Input, Output};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What only the program around the reactor can do.
pub struct Hooks {
    /// Reads the configuration again. The error is for people.
    pub reload: Box<dyn FnMut() -> Result<Config, String>>,
    /// Opens the log again after it was rotated.
    pub reopen_log: Box<dyn FnMut()>,
}

/// The world outside the sockets.
pub struct World {
    workers: Workers,
    signals: Signals,
    gauge: Gauge,
    hooks: Hooks,
    /// What is listened to, by listener.
    bound: Vec<SocketAddr>,
    measured: VecDeque<Input<'static>>,
}

/// What a signal leads to.
#[derive(Debug)]
pub enum Wish {
    /// The server is told.
    Tell(Input<'static>),
    /// The process ends at once.
    Quit,
    /// It was looked after.
    Done,
}

impl World {
    /// The world, with helper threads that run already.
    pub fn new(workers: Workers, signals: Signals, hooks: Hooks, bound: Vec<SocketAddr>) -> Self {
        World { workers, signals, gauge: Gauge::new(), hooks, bound, measured: VecDeque::new() }
    }

    /// Starts what the server wants. The answer comes out of [`World::next_result`].
    pub fn start(&mut self, output: Output) {
        match output {
            Output::Store { ticket, op } => self.workers.store(ticket, op),
            Output::Measure { ticket } => self.measured.push_back(self.gauge.read_as(ticket)),
            // The reactor keeps these for itself.
            Output::Write { .. } | Output::Read { .. } | Output::Close { .. } | Output::Finished => {}
        }
    }

    /// The next thing that is done.
    pub fn next_result(&mut self) -> Option<Input<'static>> {
        self.measured.pop_front().or_else(|| self.workers.next_result())
    }

    /// True if [`World::next_result`] has something although nothing will wake the poll.
    pub fn has_results(&self) -> bool {
        !self.measured.is_empty()
    }

    /// A measurement that nobody asked for: it introduces the process to the server.
    pub fn introduction(&mut self) -> Input<'static> {
        self.gauge.read_as(Ticket(0))
    }

    /// The next signal, looked after as far as the server need not know.
    pub fn next_signal(&mut self) -> Option<Wish> {
        Some(match self.signals.take()? {
            Signal::Drain => Wish::Tell(Input::Drain),
            Signal::Quit => Wish::Quit,
            Signal::Reload => match (self.hooks.reload)() {
                Ok(mut config) => {
                    config.note_bound(&self.bound);
                    Wish::Tell(Input::Reload { config: Box::new(config) })
                }
                Err(error) => {
                    log::warn!("the configuration was not reloaded, the old one stays in force: {error}");
                    Wish::Done
                }
            },
            Signal::ReopenLog => {
                (self.hooks.reopen_log)();
                log::info!("the log was reopened");
                Wish::Done
            }
        })
    }

    /// Lets the helper threads finish what they were asked.
    pub fn finish(self) {
        self.workers.finish();
    }
}
