//! Timers: who is woken, and what happens then. A deadline that moves away is noticed when its timer fires,
//! so that a peer that keeps talking costs no timer work.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::conn::Conn;
use crate::server::{Server, Timer};
use crate::session::Session;
use crate::stream::registry::StreamKey;
use std::time::Duration;

/// Timers that fire so late tell of overload.
const LATE_MIN: Duration = Duration::from_millis(200);

/// For how long after overload was seen another one is the same.
const QUIET: Duration = Duration::from_secs(60);

impl Server {
    /// Keeps the connection's timer no later than its deadline. Deadlines that move away are noticed when
    /// the timer fires: a peer that keeps talking costs no timer work.
    pub(super) fn arm(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let wanted = conn.deadline().map(|(at, _)| at);
        if let Some(at) = wanted
            && conn.armed.is_none_or(|armed| at < armed)
        {
            conn.armed = Some(at);
            self.timers.set(Timer::Conn(id), Some(at));
        }
    }

    pub(super) fn arm_stream(&mut self, key: StreamKey) {
        let Some(hosted) = self.streams.get_mut(key) else { return };
        let wanted = hosted.deadline().map(|(at, _)| at);
        if let Some(at) = wanted
            && hosted.armed.is_none_or(|armed| at < armed)
        {
            hosted.armed = Some(at);
            self.timers.set(Timer::Stream(key), Some(at));
        }
    }

    pub(super) fn fire_timers(&mut self) {
        self.look_for_overload();
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Conn(id) => self.fire_conn(id),
                Timer::Stream(key) => self.fire_stream(key),
                Timer::Drain => self.drain_is_over(),
            }
        }
    }

    /// Timers that fire late are what overload looks like from inside. It is said when it begins.
    fn look_for_overload(&mut self) {
        let late = self.timers.next().map_or(Duration::ZERO, |(at, _)| self.now.since(at));
        if late < LATE_MIN {
            return;
        }
        let told = self.overload_told.replace(self.now + QUIET);
        if told.is_none_or(|until| until <= self.now) {
            log::warn!(
                "timers fire {} ms late: there is more to do than one core has time for ({} connections, {} \
                 streams); players get the same frames in fewer writes, the slowest skip some. `flush: Auto` \
                 holds frames back before it comes to that",
                late.as_millis(),
                self.conns.len(),
                self.streams.len()
            );
        }
    }

    pub(super) fn fire_conn(&mut self, id: ConnId) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.armed = None;
        let Some((_, why)) = conn.deadline().filter(|(at, _)| *at <= now) else {
            self.arm(id);
            return;
        };
        log::trace!(cid:% = conn.cid, why; "a timer has fired");
        if let Some((reason, _)) = &conn.ending {
            reached!("the final response did not leave in time");
            let reason = reason.clone();
            self.close(id, reason);
        } else if conn.stall.is_some_and(|stall| stall.since + conn.send_timeout <= now) {
            reached!("a peer took its bytes too slowly");
            self.close(id, Reason::Timeout(Limit::SendTimeout));
        } else if self.patience_is_over(id) {
            self.arm(id);
        } else {
            self.tick(id);
        }
    }

    /// The session's own deadline has come. It either moves it or ends itself: one that does neither would be
    /// woken for ever (I28).
    fn tick(&mut self, id: ConnId) {
        let now = self.now;
        self.call(id, |session, cx, _| session.tick(cx));
        self.perform_asks();
        match self.conns.get(id).and_then(Conn::deadline) {
            Some((at, why)) if at <= now => {
                log::error!("a session does not heed its deadline: {why}");
                self.close(id, Reason::Internal(format!("deadline ignored: {why}")));
            }
            _ => self.arm(id),
        }
    }
}
