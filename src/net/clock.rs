//! The one place where the clock is read.

use crate::base::time::{Epoch, Instant};

/// The process's clock: monotonic since its making, and the wall time of that moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    birth: std::time::Instant,
    epoch: Epoch,
}

impl Clock {
    /// Starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "the shell is where time comes from")]
    pub fn start() -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let epoch = Epoch(u64::try_from(unix.as_micros()).unwrap_or(u64::MAX));
        Clock { birth: std::time::Instant::now(), epoch }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        let us = self.birth.elapsed().as_micros();
        Instant::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// Wall time at the start.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}
