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
        Clock { birth: std::time::Instant::now(), epoch: Epoch(unix_micros()) }
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

/// Wall time, in microseconds since 1970, as the machine has it now: for the log, whose dates follow when
/// the machine's clock is set. Zero before 1970.
#[expect(clippy::disallowed_methods, reason = "the shell is where time comes from")]
pub fn unix_micros() -> u64 {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::base::time::Instant;
    use std::time::Duration;

    #[test]
    fn time_begins_at_zero_and_goes_on() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first < Instant::ZERO + Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now().since(first) >= Duration::from_millis(2));
        // 2020-01-01: a machine whose clock is wrong by years would make a mess of playlists.
        assert!(clock.epoch().0 > 1_577_836_800_000_000);
    }
}
