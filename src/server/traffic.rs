//! Byte counters with rates, in both directions.

use crate::base::time::Instant;
use crate::status::Kbps;
use serde::{Deserialize, Serialize};

/// Half of the longest span that a rate covers.
const HALF_SPAN_US: u64 = 15_000_000;

/// A byte counter with a rate over the last 15 to 30 seconds. Costs two additions per event and no timer.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Meter {
    total: u64,
    /// Number of the half span that `current` counts.
    half: u64,
    current: u64,
    before: u64,
}

impl Meter {
    fn roll(&mut self, now: Instant) {
        let half = now.as_micros() / HALF_SPAN_US;
        if half != self.half {
            // After a longer pause both halves have left the span.
            self.before = if half == self.half + 1 { self.current } else { 0 };
            self.current = 0;
            self.half = half;
        }
    }

    fn add(&mut self, now: Instant, bytes: u64) {
        self.roll(now);
        self.total += bytes;
        self.current += bytes;
    }

    fn kbps(mut self, now: Instant, since: Instant) -> u64 {
        self.roll(now);
        let in_half = now.as_micros() % HALF_SPAN_US;
        let alive = u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX);
        // At least a second: the first bytes of a connection would give a meaningless rate.
        let span = (HALF_SPAN_US + in_half).min(alive).max(1_000_000);
        (self.current + self.before) * 8_000 / span
    }
}

/// Bytes received and sent by a peer, a stream or the server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Traffic {
    received: Meter,
    sent: Meter,
    since: Instant,
}

impl Traffic {
    /// Counters at zero, from `now` on.
    pub fn new(now: Instant) -> Self {
        Traffic { received: Meter::default(), sent: Meter::default(), since: now }
    }

    /// Counts bytes that were received.
    pub fn receive(&mut self, now: Instant, len: usize) {
        self.received.add(now, len as u64);
    }

    /// Counts bytes that were sent.
    pub fn send(&mut self, now: Instant, len: usize) {
        self.sent.add(now, len as u64);
    }

    /// Total of received bytes.
    pub fn received_bytes(&self) -> u64 {
        self.received.total
    }

    /// Total of sent bytes.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.total
    }

    /// The rates, in kbit/s.
    pub fn kbps(&self, now: Instant) -> Kbps {
        Kbps { recv_30s: self.received.kbps(now, self.since), send_30s: self.sent.kbps(now, self.since) }
    }
}
