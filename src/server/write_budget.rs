//! A stream's share of a turn of the loop: so many writes to its players; who is left waits until everybody
//! else has had a turn. So publishers are read and questions are answered in time, however many play.
//!
//! In: writes. Out: whether the share is spent, who waits, and when they are next. What one stream spends
//! never touches another, so that each replays alone.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that take about as long as a write takes anyway: 5 µs, measured on loopback.
const WRITE_BYTES: usize = 16 << 10;

/// The share of the turn at `at`, which is the turn's time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Share {
    at: Instant,
    spent: usize,
    waiting: VecDeque<ConnId>,
}

impl Share {
    /// A write of `len` bytes was made.
    pub fn spend(&mut self, now: Instant, len: usize) {
        if self.at != now {
            (self.at, self.spent) = (now, 0);
        }
        self.spent += 1 + len / WRITE_BYTES;
    }

    /// True if the share of this turn, `limits.turn_writes`, is spent.
    pub fn is_spent(&self, now: Instant, writes_max: usize) -> bool {
        self.at == now && self.spent >= writes_max
    }

    /// `conn` waits for the next turn.
    pub fn wait(&mut self, conn: ConnId) {
        self.waiting.push_back(conn);
    }

    /// The next of those who wait, once the turn has come.
    pub fn next(&mut self) -> Option<ConnId> {
        self.waiting.pop_front()
    }

    /// `conn` is no player of the stream any more. True if it waited.
    pub fn leave(&mut self, conn: ConnId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|other| *other != conn);
        self.waiting.len() < before
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if `conn` waits. A search: for checks only.
    pub fn contains(&self, conn: ConnId) -> bool {
        self.waiting.contains(&conn)
    }

    /// When those who wait have their turn: as soon as time has moved.
    pub fn wake_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.at + Duration::from_micros(1))
    }
}
