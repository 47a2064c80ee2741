//! When a loop must run again.

use crate::base::time::Instant;
use std::time::Duration;

/// When a loop must run again if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At once: there is more to do.
    Now,
    /// At this time.
    At(Instant),
    /// Only when a socket, a result or a signal comes.
    Never,
}

impl Wake {
    /// The earlier of `self` and `at`.
    #[must_use]
    pub fn or(self, at: Instant) -> Self {
        match self {
            Wake::Now => Wake::Now,
            Wake::At(other) => Wake::At(other.min(at)),
            Wake::Never => Wake::At(at),
        }
    }

    /// How long to wait at `now`, in whole milliseconds, which is the unit of `epoll_wait`. Rounded up:
    /// rounded down the loop would run too early and do nothing. `None`: without a limit.
    pub fn timeout(self, now: Instant) -> Option<Duration> {
        match self {
            Wake::Now => Some(Duration::ZERO),
            Wake::At(at) => {
                let ms = at.since(now).as_micros().div_ceil(1000);
                Some(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)))
            }
            Wake::Never => None,
        }
    }
}
