//! A time on a stream's timeline, in microseconds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// A time on a stream's timeline, in microseconds. Zero is the stream's first frame; it continues over
/// republishing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Start of the timeline.
    pub const ZERO: Timestamp = Timestamp(0);

    /// From milliseconds (RTMP, FLV).
    pub const fn from_millis(ms: i64) -> Self {
        Timestamp(ms * 1000)
    }

    /// In milliseconds, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// In 90 kHz ticks (MPEG-TS), rounded to the nearest.
    pub const fn as_90k(self) -> i64 {
        (self.0 * 9 + 50).div_euclid(100)
    }
}

/// Adds microseconds.
impl Add<i64> for Timestamp {
    type Output = Timestamp;
    fn add(self, us: i64) -> Timestamp {
        Timestamp(self.0 + us)
    }
}

/// Distance in microseconds.
impl Sub for Timestamp {
    type Output = i64;
    fn sub(self, other: Timestamp) -> i64 {
        self.0 - other.0
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}ms", self.0.div_euclid(1000), self.0.rem_euclid(1000))
    }
}
