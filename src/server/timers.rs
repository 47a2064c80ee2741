//! Timers: who is woken, and what happens then. A deadline that moves away is noticed when its timer fires,
//! so that a peer that keeps talking costs no timer work.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::peer::{Link, State};
use crate::server::queues::Timer;
use crate::session::Session;
use std::time::Duration;

/// Timers that fire so late tell of overload.
const LATE_MIN: Duration = Duration::from_millis(200);

/// For how long after overload was seen another one is the same.
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

    /// Timers that fire late are what overload looks like from inside. It is said when it begins.
    fn look_for_overload(&mut self) {
        let late = self.queues.timers.next().map_or(Duration::ZERO, |(at, _)| self.cx.now.since(at));
        if late < LATE_MIN {
            return;
        }
        let told = self.overload_told.replace(self.cx.now + QUIET);
        if told.is_none_or(|until| until <= self.cx.now) {
            log::warn!(
                "timers fire {} ms late: there is more to do than one core has time for ({} connections, {} \
                 streams); players get the same frames in fewer writes, the slowest skip some. `flush: Auto` \
                 holds frames back before it comes to that",
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
            return peer.arm();
        };
        log::trace!(cid:% = peer.peer.cid, why; "a timer has fired");
        let Link::Stream(link) = &peer.peer.link;
        if let State::Ending { reason, .. } = &peer.peer.state {
            reached!("the final response did not leave in time");
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

    /// The session's own deadline has come. It either moves it or ends itself: one that does neither would be
    /// woken for ever (I28).
    fn tick(&mut self, id: ConnId) {
        let now = self.cx.now;
        if let Some(mut peer) = self.peer(id) {
            peer.call(|session, cx, _| session.tick(cx));
        }
        self.perform_asks();
        let Some(mut peer) = self.peer(id) else { return };
        match peer.peer.deadline() {
            Some((at, why)) if at <= now => {
                log::error!("a session does not heed its deadline: {why}");
                self.close(id, Reason::Internal(format!("deadline ignored: {why}")));
            }
            _ => peer.arm(),
        }
    }
}
