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

    /// Appends a connection, unless `queued` tells that it is in the queue already.
    pub fn push(&mut self, conn: ConnId, queued: &mut bool) {
        if !*queued {
            *queued = true;
            self.queue.push_back(conn);
        }
    }

    /// Appends a connection whose flag is still set: it was taken out but could not write.
    pub fn push_again(&mut self, conn: ConnId) {
        self.queue.push_back(conn);
    }

    /// Takes the first connection. The caller clears its flag.
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
