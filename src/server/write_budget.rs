//! Per-stream write budget for one pass of the event loop. Players over budget wait for the next pass, so
//! that publishers are read and requests are answered in time, however many players there are.
//!
//! In: writes. Out: whether the budget is spent, which players wait, and when their pass comes. Each stream
//! has a budget of its own, so that a recording of one stream replays alone.

use crate::base::id::ConnId;
use crate::base::ready::ReadyList;
use crate::base::time::Instant;
use crate::server::peer::StreamLink;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that take as long to send as the fixed cost of a write: 5 µs, measured on loopback.
const WRITE_BYTES: usize = 16 << 10;

/// The writes of the pass at time `at`, and the players that wait for the next pass.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WriteBudget {
    at: Instant,
    spent: usize,
    waiting: VecDeque<ConnId>,
}

impl WriteBudget {
    /// Counts a write of `len` bytes.
    pub fn spend(&mut self, now: Instant, len: usize) {
        // Time has moved: the first write of another pass.
        if self.at != now {
            (self.at, self.spent) = (now, 0);
        }
        self.spent += 1 + len / WRITE_BYTES;
    }

    /// True if the budget of this pass, `limits.pass_writes`, is spent.
    pub fn is_spent(&self, now: Instant, writes_max: usize) -> bool {
        self.at == now && self.spent >= writes_max
    }

    /// Queues a player that has bytes and room: behind the players that wait for the next pass if there are
    /// any, else in the ready list. Otherwise a player that is caught up, which becomes ready with each
    /// frame, would always be served before those that wait.
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

    /// Makes `conn` wait for the next pass.
    pub fn wait(&mut self, conn: ConnId) {
        self.waiting.push_back(conn);
    }

    /// Removes the first of the players that wait; called when the next pass has come.
    pub fn next(&mut self) -> Option<ConnId> {
        self.waiting.pop_front()
    }

    /// Removes a player that leaves the stream. True if it waited.
    pub fn leave(&mut self, conn: ConnId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|other| *other != conn);
        self.waiting.len() < before
    }

    /// True if no player waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if `conn` waits. Searches all that wait: for checks only.
    pub fn contains(&self, conn: ConnId) -> bool {
        self.waiting.contains(&conn)
    }

    /// When the next pass of the players that wait is due: as soon as time has moved.
    pub fn wake_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.at + Duration::from_micros(1))
    }
}
