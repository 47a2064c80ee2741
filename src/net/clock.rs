//! The clock: the only place that reads the time.

use crate::base::time::{Epoch, Instant};

/// A monotonic clock that starts at zero, and the wall time of its start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    birth: std::time::Instant,
    epoch: Epoch,
}

impl Clock {
    /// Starts the clock.
    #[expect(clippy::disallowed_methods, reason = "the shell is where time comes from")]
    pub fn start() -> Self {
        Clock { birth: std::time::Instant::now(), epoch: Epoch(unix_micros()) }
    }

    /// The time since the start.
    pub fn now(&self) -> Instant {
        let us = self.birth.elapsed().as_micros();
        Instant::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// Wall time of the start.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// Wall time in microseconds since 1970; zero before. Follows when the machine's clock is set, which log
/// lines should and the server must not.
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
