//! Who has something to do, in the order in which they got it. Nobody stands in it twice.

use crate::base::id::ConnId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Connections that have bytes and room. Whether one is in it is a flag of the connection, so that
/// joining costs no search.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReadyList {
    queue: VecDeque<ConnId>,
}

impl ReadyList {
    /// A copy with those that `keep` wants.
    pub fn subset(&self, keep: impl Fn(ConnId) -> bool) -> Self {
        ReadyList { queue: self.queue.iter().copied().filter(|conn| keep(*conn)).collect() }
    }

    /// Joins the end of the line, unless `queued` says that it stands there already.
    pub fn push(&mut self, conn: ConnId, queued: &mut bool) {
        if !*queued {
            *queued = true;
            self.queue.push_back(conn);
        }
    }

    /// Joins the end of the line, the flag being set already: it was taken out and could not have its turn.
    pub fn push_again(&mut self, conn: ConnId) {
        self.queue.push_back(conn);
    }

    /// The next in line. The caller clears its flag.
    pub fn pop(&mut self) -> Option<ConnId> {
        self.queue.pop_front()
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of those who wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if `conn` stands in line. A search: for checks only.
    pub fn contains(&self, conn: ConnId) -> bool {
        self.queue.contains(&conn)
    }
}
