//! Time in the core: microseconds since the server started.
//!
//! Only the shell reads the clock, once per pass, and passes the time with every input. Wall time is one
//! number that is given at the start, so that dates in playlists and statistics follow from the inputs too.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: microseconds since the server started. Never goes backwards (I13).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// The start of the server.
    pub const ZERO: Instant = Instant(0);

    /// `us` microseconds after the start.
    pub const fn from_micros(us: u64) -> Self {
        Instant(us)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the start, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// Time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, after: Duration) -> Instant {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(us))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Wall time at the start of the server: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Wall time at `now`, in microseconds since 1970.
    pub fn unix_micros(self, now: Instant) -> u64 {
        self.0.saturating_add(now.as_micros())
    }

    /// Wall time at `now`, in milliseconds since 1970.
    pub fn unix_millis(self, now: Instant) -> u64 {
        self.unix_micros(now) / 1000
    }
}
