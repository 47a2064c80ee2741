//! The write budget of a stream: how many writes its players get in one pass of the loop. Players past it
//! wait for the next pass. So publishers are read and requests are answered in time, however many players
//! there are.
//!
//! In: writes. Out: whether the budget is spent, which players wait, and when they are next. What one stream
//! spends never touches another, so that each replays alone.

use crate::base::id::ConnId;
use crate::base::ready::ReadyList;
use crate::base::time::Instant;
use crate::server::peer::StreamLink;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that take about as long as a write takes anyway: 5 µs, measured on loopback.
const WRITE_BYTES: usize = 16 << 10;

/// The writes of the pass at time `at`, and the players that wait for the next pass.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WriteBudget {
    at: Instant,
    spent: usize,
    waiting: VecDeque<ConnId>,
}

impl WriteBudget {
    /// A write of `len` bytes was made.
    pub fn spend(&mut self, now: Instant, len: usize) {
        if self.at != now {
            (self.at, self.spent) = (now, 0);
        }
        self.spent += 1 + len / WRITE_BYTES;
    }

    /// True if the budget of this pass, `limits.pass_writes`, is spent.
    pub fn is_spent(&self, now: Instant, writes_max: usize) -> bool {
        self.at == now && self.spent >= writes_max
    }

    /// A player with bytes and room joins the end of the line: that of its stream while players wait there
    /// for the next pass. A player that is caught up is ready at each frame of the stream, and would always
    /// be served before those.
    pub fn line_up(&mut self, conn: ConnId, link: &mut StreamLink, ready: &mut ReadyList) {
        if !link.joins_queue() {
            return;
        }
        if self.is_empty() {
            ready.push(conn);
        } else {
            self.wait(conn);
        }
    }

    /// `conn` waits for the next pass.
    pub fn wait(&mut self, conn: ConnId) {
        self.waiting.push_back(conn);
    }

    /// The next of the players that wait, once the pass has come.
    pub fn next(&mut self) -> Option<ConnId> {
        self.waiting.pop_front()
    }

    /// `conn` is no player of the stream any more. True if it waited.
    pub fn leave(&mut self, conn: ConnId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|other| *other != conn);
        self.waiting.len() < before
    }

    /// True if no player waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if `conn` waits. A search: for checks only.
    pub fn contains(&self, conn: ConnId) -> bool {
        self.waiting.contains(&conn)
    }

    /// When the players that wait are next: as soon as time has moved.
    pub fn wake_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.at + Duration::from_micros(1))
    }
}
