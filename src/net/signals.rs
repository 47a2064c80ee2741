//! Signals of the process, as events of the poll.

use mio::event::Source;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;

/// A request of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End with a final response to every connection (SIGTERM, SIGINT).
    Drain,
    /// End at once: the second SIGTERM or SIGINT.
    Quit,
    /// Read the configuration again (SIGHUP).
    Reload,
    /// Open the log file again (SIGUSR1), after it was rotated.
    ReopenLog,
}

/// Receives signals of the process.
pub struct Signals {
    source: signal_hook_mio::v1_0::Signals,
    draining: bool,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn new() -> io::Result<Self> {
        let source = signal_hook_mio::v1_0::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        Ok(Signals { source, draining: false })
    }

    /// Makes a signal wake the poll of `registry` under `token`.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source.register(registry, token, Interest::READABLE)
    }

    /// The next signal that was received.
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

#[cfg(test)]
mod tests {
    use super::{Signal, Signals};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::low_level::raise;

    // One test for all: a signal reaches every test of the process that has handlers.
    #[test]
    fn signals_mean_what_operators_expect() {
        let mut signals = Signals::new().expect("signals");
        let mut told = |signal| {
            raise(signal).expect("raised");
            signals.take()
        };
        assert_eq!(told(SIGHUP), Some(Signal::Reload));
        assert_eq!(told(SIGUSR1), Some(Signal::ReopenLog));
        assert_eq!(told(SIGTERM), Some(Signal::Drain));
        assert_eq!(told(SIGHUP), Some(Signal::Reload), "a reload is possible during a drain");
        assert_eq!(told(SIGINT), Some(Signal::Quit), "the second request to end is immediate");
        assert_eq!(signals.take(), None);
        raise(SIGHUP).expect("raised");
        raise(SIGUSR1).expect("raised");
        let mut both = [signals.take(), signals.take()];
        both.sort_by_key(|signal| format!("{signal:?}"));
        assert_eq!(both, [Some(Signal::Reload), Some(Signal::ReopenLog)], "one does not hide the other");
    }
}
