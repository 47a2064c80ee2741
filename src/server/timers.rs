//! Timer handling. Deadlines are armed lazily: a timer that fires early is set again, so that traffic on a
//! busy connection never touches the timers.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::peer::{Link, State};
use crate::server::queues::Timer;
use crate::session::Session;
use std::time::Duration;

/// Overload is logged if a timer fires this late.
const LATE_MIN: Duration = Duration::from_millis(200);

/// Overload that comes back within this time is not logged again.
const QUIET: Duration = Duration::from_secs(60);

impl Server {
    pub(super) fn fire_timers(&mut self) {
        self.look_for_overload();
        while let Some(timer) = self.queues.timers.pop(self.cx.now) {
            match timer {
                Timer::Peer(id) => self.fire_peer(id),
                Timer::Stream(key) => self.fire_stream(key),
                Timer::Drain => self.drain_is_over(),
            }
        }
    }

    /// Logs the beginning of overload, which the server notices by timers that fire late.
    fn look_for_overload(&mut self) {
        let late = self.queues.timers.next().map_or(Duration::ZERO, |(at, _)| self.cx.now.since(at));
        if late < LATE_MIN {
            return;
        }
        // Every late timer extends the quiet time, so that lasting overload is logged once.
        let told = self.overload_told.replace(self.cx.now + QUIET);
        if told.is_none_or(|until| until <= self.cx.now) {
            log::warn!(
                "overload: timers fire {} ms late, one core is not enough ({} connections, {} streams); \
                 players get the same frames in fewer writes, and the slowest skip some. `flush: Auto` holds \
                 frames back before it comes to that",
                late.as_millis(),
                self.peers.len(),
                self.streams.len()
            );
        }
    }

    pub(super) fn fire_peer(&mut self, id: ConnId) {
        let now = self.cx.now;
        let Some(mut peer) = self.peer(id) else { return };
        peer.peer.armed = None;
        let Some((_, why)) = peer.peer.deadline().filter(|(at, _)| *at <= now) else {
            // The deadline has moved since the timer was set.
            return peer.arm();
        };
        log::trace!(cid:% = peer.peer.cid, why; "a timer fired");
        let Link::Stream(link) = &peer.peer.link;
        if let State::Ending { reason, .. } = &peer.peer.state {
            reached!("the final response was not sent in time");
            let reason = reason.clone();
            self.close(id, reason);
        } else if link.stalled_at().is_some_and(|at| at <= now) {
            reached!("a peer took its bytes too slowly");
            self.close(id, Reason::Timeout(Limit::SendTimeout));
        } else if self.wait_is_over(id) {
            if let Some(mut peer) = self.peer(id) {
                peer.arm();
            }
        } else {
            self.tick(id);
        }
    }

    /// Calls a session whose deadline has come. It must move the deadline or end itself; else it is closed,
    /// since it would be called for ever (I28).
    fn tick(&mut self, id: ConnId) {
        let now = self.cx.now;
        if let Some(mut peer) = self.peer(id) {
            peer.call(|session, cx, _| session.tick(cx));
        }
        self.perform_asks();
        let Some(mut peer) = self.peer(id) else { return };
        match peer.peer.deadline() {
            Some((at, why)) if at <= now => {
                log::error!("a session ignored its deadline: {why}");
                self.close(id, Reason::Internal(format!("deadline ignored: {why}")));
            }
            _ => peer.arm(),
        }
    }
}
