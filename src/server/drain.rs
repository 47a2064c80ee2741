//! The end of the server: everybody is told in their own protocol, within a deadline (L7).

use crate::base::id::ConnId;
use crate::base::reason::Reason;
use crate::server::output::Output;
use crate::server::{Server, Timer};
use std::time::Duration;

impl Server {
    /// New connections are refused; the others get a final response and are closed.
    pub(super) fn drain(&mut self) {
        if self.draining.is_some() {
            return;
        }
        let until = self.now + Duration::from_millis(self.config.drain_timeout_ms);
        self.draining = Some(until);
        self.timers.set(Timer::Drain, Some(until));
        log::info!("draining: {} connections are told, nobody new is let in", self.conns.len());
        for id in self.everybody() {
            self.farewell(id, Reason::Drained);
        }
    }

    pub(super) fn drain_is_over(&mut self) {
        for id in self.everybody() {
            self.close(id, Reason::Drained);
        }
    }

    fn everybody(&self) -> Vec<ConnId> {
        self.conns.iter().map(|conn| conn.id).collect()
    }

    /// The last output of all, once.
    pub(super) fn poll_finished(&mut self) -> Option<Output> {
        if self.draining.is_none() || self.finished || !self.conns.is_empty() {
            return None;
        }
        self.finished = true;
        self.timers.set(Timer::Drain, None);
        Some(Output::Finished)
    }
}
