//! The end of the server: everybody is told in their own protocol, within a deadline (L7).

use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Output;
use crate::server::queues::Timer;
use std::time::Duration;

impl Server {
    /// New connections are refused; the others get a final response and are closed.
    pub(super) fn drain(&mut self) {
        if self.cx.draining.is_some() {
            return;
        }
        let until = self.cx.now + Duration::from_millis(self.cx.config.drain_timeout_ms);
        self.cx.draining = Some(until);
        self.queues.timers.set(Timer::Drain, Some(until));
        log::info!("draining: {} connections are told, nobody new is let in", self.peers.len());
        for id in self.peers.ids() {
            self.farewell(id, Reason::Drained);
        }
    }

    pub(super) fn drain_is_over(&mut self) {
        for id in self.peers.ids() {
            self.close(id, Reason::Drained);
        }
    }

    /// The last output of all, once.
    pub(super) fn poll_finished(&mut self) -> Option<Output> {
        if self.cx.draining.is_none() || self.finished || !self.peers.is_empty() {
            return None;
        }
        self.finished = true;
        self.queues.timers.set(Timer::Drain, None);
        Some(Output::Finished)
    }
}
