//! Signals, as things that the reactor can wait for.

use mio::event::Source;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;

/// What an operator may want while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End, telling everybody (SIGTERM, SIGINT).
    Drain,
    /// End at once: the second SIGTERM or SIGINT.
    Quit,
    /// Read the configuration again (SIGHUP).
    Reload,
    /// Open the log file again (SIGUSR1), after it was rotated.
    ReopenLog,
}

/// The signals that the process listens to.
pub struct Signals {
    source: signal_hook_mio::v1_0::Signals,
    draining: bool,
}

impl Signals {
    /// Listens from now on.
    pub fn new() -> io::Result<Self> {
        let source = signal_hook_mio::v1_0::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        Ok(Signals { source, draining: false })
    }

    /// Lets `registry` wake up for them.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source.register(registry, token, Interest::READABLE)
    }

    /// The next signal that came.
    pub fn take(&mut self) -> Option<Signal> {
        let signal = self.source.pending().next()?;
        Some(match signal {
            SIGHUP => Signal::Reload,
            SIGUSR1 => Signal::ReopenLog,
            _ if std::mem::replace(&mut self.draining, true) => Signal::Quit,
            _ => Signal::Drain,
        })
    }
}
