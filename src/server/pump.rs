//! From streams to players: the loop without decisions. What a player gets was decided when its cursor
//! moved (`stream::playback`); here bytes are offered, and what has left is counted.

use crate::base::id::{Cid, ConnId};
use crate::base::limit::Limit;
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::conn::Role;
use crate::server::hosted::Hosted;
use crate::server::output::Taken;
use crate::server::write_budget::WriteBudget;
use crate::session::Session;
use crate::stream::cursor::{Cursor, Next};
use crate::stream::playback::Readiness;
use crate::stream::registry::StreamKey;

impl Server {
    /// A stream has flushed: every player that has room is ready, behind those that wait for the next pass.
    pub(super) fn pump(&mut self, key: StreamKey) {
        let Some(Hosted { players, budget, .. }) = self.streams.get_mut(key) else { return };
        for id in &*players {
            if let Some(conn) = self.conns.get_mut(*id)
                && conn.room
                && !conn.offered
            {
                line_up(*id, &mut conn.queued, budget, &mut self.ready);
            }
        }
    }

    /// `id` may have bytes to write.
    pub(super) fn mark_ready(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.room && !conn.offered) else { return };
        match conn.role {
            Role::Playing { stream, .. } => {
                let hosted = self.streams.get_mut(stream).expect("a player's stream exists");
                line_up(id, &mut conn.queued, &mut hosted.budget, &mut self.ready);
            }
            _ => self.ready.push(id, &mut conn.queued),
        }
    }

    /// False if the write budget of `id`'s stream is spent in this pass: then `id` waits for the next.
    pub(super) fn within_budget(&mut self, id: ConnId) -> bool {
        let Some(key) = self.conns.get(id).and_then(|conn| match conn.role {
            Role::Playing { stream, .. } => Some(stream),
            _ => None,
        }) else {
            return true;
        };
        let Some(hosted) = self.streams.get_mut(key) else { return true };
        if !hosted.budget.is_spent(self.now, self.config.limits.pass_writes) {
            return true;
        }
        reached!("the players of a stream waited for the next pass");
        hosted.budget.wait(id);
        self.arm_stream(key);
        false
    }

    /// Takes `id` from the ready list. True if the shell should write for it.
    pub(super) fn offer(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id) else { return false };
        conn.queued = false;
        if !conn.room || conn.offered {
            return false;
        }
        let ready = match self.readiness(id) {
            Readiness::Ready => true,
            Readiness::CaughtUp => false,
            Readiness::Lost => {
                self.close(id, Reason::Limit(Limit::PinnedBytes));
                false
            }
        };
        if ready && let Some(conn) = self.conns.get_mut(id) {
            conn.offered = true;
        }
        ready
    }

    /// Settles a player's cursor and says how it stands; for others, whether own bytes wait.
    pub(super) fn readiness(&mut self, id: ConnId) -> Readiness {
        let Some(conn) = self.conns.get_mut(id) else { return Readiness::CaughtUp };
        if let Role::Playing { stream, cursor } = &mut conn.role
            && let Some(hosted) = self.streams.get_mut(*stream)
        {
            let (next, dropped) = (cursor.next, cursor.dropped);
            let readiness = hosted.stream.advance(cursor, &mut conn.outbox);
            log_move(conn.cid, cursor, next, cursor.dropped - dropped);
            return readiness;
        }
        if conn.outbox.is_empty() { Readiness::CaughtUp } else { Readiness::Ready }
    }

    /// So many bytes of what was shown were taken.
    pub(super) fn sent(&mut self, id: ConnId, Taken { len, room }: Taken) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.offered = false;
        let own = conn.outbox.len();
        match &mut conn.role {
            Role::Playing { stream, cursor } => {
                let hosted = self.streams.get_mut(*stream).expect("a player's stream exists");
                hosted.stream.sent(cursor, &mut conn.outbox, len);
                hosted.budget.spend(now, len);
                hosted.traffic.send(now, len);
            }
            _ => {
                conn.outbox.advance(len);
                let key = conn.fetches_from().and_then(|name| self.streams.find(name));
                if let Some(hosted) = key.and_then(|key| self.streams.get_mut(key)) {
                    hosted.traffic.send(now, len);
                }
            }
        }
        self.traffic.send(now, len);
        if len == 1 {
            reached!("a short write of one byte");
        }
        let drained = own > 0 && conn.outbox.is_empty();
        let readiness = self.readiness(id);
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.room && !room {
            log::debug!(cid:% = conn.cid; "its socket is full");
        }
        let stalls = conn.note_sent(now, len, room, readiness == Readiness::Ready);
        let ending = conn.ending.clone();
        match readiness {
            Readiness::Ready => self.mark_ready(id),
            Readiness::Lost => {
                self.close(id, Reason::Limit(Limit::PinnedBytes));
            }
            Readiness::CaughtUp => match ending {
                Some((reason, _)) => self.close(id, reason),
                None => self.caught_up(id),
            },
        }
        if drained {
            self.call(id, |session, cx, _| session.outbox_emptied(cx));
            self.wake_session(id);
        }
        if stalls {
            self.arm(id);
        }
    }

    /// The kernel has room again.
    pub(super) fn writable(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.room = true;
            log::debug!(cid:% = conn.cid; "its socket has room again");
            self.mark_ready(id);
        }
    }
}

/// A player joins the end of its line: that of its stream while players wait there for the next pass. A
/// player that is caught up is ready at each frame of the stream, and would always be served before those.
fn line_up(id: ConnId, queued: &mut bool, budget: &mut WriteBudget, ready: &mut ReadyList) {
    if budget.is_empty() {
        ready.push(id, queued);
    } else if !std::mem::replace(queued, true) {
        budget.wait(id);
    }
}

/// Says where a player goes on, if that was decided just now.
fn log_move(cid: Cid, cursor: &Cursor, before: Next, skipped: u64) {
    let Next::At(frame) = cursor.next else { return };
    if skipped > 0 {
        reached!("the ring overtook a cursor");
        log::debug!(cid:%, skipped, frame; "the ring has overtaken the player, which goes on further ahead");
    } else if matches!(before, Next::Seek(_)) {
        log::debug!(cid:%, frame; "the player is sent frames from here on");
    }
}
