//! The machine's monotonic clock, in nanoseconds.
//!
//! Not `std::time::Instant`, whose zero is hidden: the number travels inside the frames, and another
//! process of the same machine must be able to subtract it.

use rustix::time::{ClockId, clock_gettime};

/// One second.
pub const SECOND: u64 = 1_000_000_000;

/// One millisecond.
pub const MILLI: u64 = 1_000_000;

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).expect("time since boot is not negative") * SECOND
        + u64::try_from(time.tv_nsec).expect("a part of a second is not negative")
}
