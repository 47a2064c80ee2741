//! Queue of connections that have bytes to send and a writable socket. Each is in it at most once.

use crate::base::id::ConnId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The queue. A flag of the connection tells whether it is in the queue, so that no search is needed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReadyList {
    queue: VecDeque<ConnId>,
}

impl ReadyList {
    /// A copy with those that `keep` wants.
    pub fn subset(&self, keep: impl Fn(ConnId) -> bool) -> Self {
        ReadyList { queue: self.queue.iter().copied().filter(|conn| keep(*conn)).collect() }
    }

    /// Appends a connection. The caller knows that it is not in the queue.
    pub fn push(&mut self, conn: ConnId) {
        self.queue.push_back(conn);
    }

    /// Takes the first connection.
    pub fn pop(&mut self) -> Option<ConnId> {
        self.queue.pop_front()
    }

    /// True if the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Length of the queue.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if `conn` is in the queue. Linear; for checks only.
    pub fn contains(&self, conn: ConnId) -> bool {
        self.queue.contains(&conn)
    }
}
