//! Drain, the graceful shutdown: every connection gets a final response in its protocol and is closed within
//! `drain_timeout_ms` (L7).

use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Output;
use crate::server::queues::Timer;
use std::time::Duration;

impl Server {
    /// Begins the drain. New connections are refused from now on.
    pub(super) fn drain(&mut self) {
        // A second request must not move the deadline.
        if self.cx.draining.is_some() {
            return;
        }
        let until = self.cx.now + Duration::from_millis(self.cx.config.drain_timeout_ms);
        self.cx.draining = Some(until);
        self.queues.timers.set(Timer::Drain, Some(until));
        log::info!("draining: closing {} connections, accepting no new ones", self.peers.len());
        for id in self.peers.ids() {
            self.farewell(id, Reason::Drained);
        }
    }

    /// Closes the connections that have not taken their final response in time.
    pub(super) fn drain_is_over(&mut self) {
        for id in self.peers.ids() {
            self.close(id, Reason::Drained);
        }
    }

    /// [`Output::Finished`], once, when the drain is over.
    pub(super) fn poll_finished(&mut self) -> Option<Output> {
        if self.cx.draining.is_none() || self.finished || !self.peers.is_empty() {
            return None;
        }
        self.finished = true;
        self.queues.timers.set(Timer::Drain, None);
        Some(Output::Finished)
    }
}
