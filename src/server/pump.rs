//! From streams to players: the loop without decisions. What a player gets was decided when its cursor
//! moved (`stream::follow`); here bytes are offered, and what has left is counted.

use crate::base::id::{Cid, ConnId};
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::conn::Role;
use crate::server::hosted::Live;
use crate::server::write_budget::Share;
use crate::session::Session;
use crate::stream::cursor::{Cursor, Next};
use crate::stream::follow::Standing;
use crate::stream::router::StreamKey;

impl Server {
    /// A stream has flushed: every player that has room is ready, behind those who wait for their turn.
    pub(super) fn pump(&mut self, key: StreamKey) {
        let Some(Live { players, share, .. }) = self.streams.get_mut(key) else { return };
        for id in &*players {
            if let Some(conn) = self.conns.get_mut(*id)
                && conn.room
                && !conn.offered
            {
                line_up(*id, &mut conn.queued, share, &mut self.ready);
            }
        }
    }

    /// `id` may have bytes to write.
    pub(super) fn mark_ready(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.room && !conn.offered) else { return };
        match conn.role {
            Role::Playing { stream, .. } => {
                let live = self.streams.get_mut(stream).expect("a player's stream exists");
                line_up(id, &mut conn.queued, &mut live.share, &mut self.ready);
            }
            _ => self.ready.push(id, &mut conn.queued),
        }
    }

    /// False if the share of `id`'s stream of this turn is spent: then it waits for the next.
    pub(super) fn has_turn(&mut self, id: ConnId) -> bool {
        let Some(key) = self.conns.get(id).and_then(|conn| match conn.role {
            Role::Playing { stream, .. } => Some(stream),
            _ => None,
        }) else {
            return true;
        };
        let Some(live) = self.streams.get_mut(key) else { return true };
        if !live.share.is_spent(self.now, self.config.limits.turn_writes) {
            return true;
        }
        reached!("the players of a stream waited for the next turn");
        live.share.wait(id);
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
        let ready = match self.stand(id) {
            Standing::Ready => true,
            Standing::InStep => false,
            Standing::Lost => {
                self.close(
                    id,
                    Reason::Limit("limits.attic_bytes: the player stalled in the middle of a frame".into()),
                );
                false
            }
        };
        if ready && let Some(conn) = self.conns.get_mut(id) {
            conn.offered = true;
        }
        ready
    }

    /// Settles a player's cursor and says how it stands; for others, whether own bytes wait.
    pub(super) fn stand(&mut self, id: ConnId) -> Standing {
        let Some(conn) = self.conns.get_mut(id) else { return Standing::InStep };
        if let Role::Playing { stream, cursor } = &mut conn.role
            && let Some(live) = self.streams.get_mut(*stream)
        {
            let (next, dropped) = (cursor.next, cursor.dropped);
            let standing = live.stream.settle(cursor, &mut conn.outbox);
            log_move(conn.cid, cursor, next, cursor.dropped - dropped);
            return standing;
        }
        if conn.outbox.is_empty() { Standing::InStep } else { Standing::Ready }
    }

    /// The shell wrote `len` bytes of what it was offered.
    pub(super) fn sent(&mut self, id: ConnId, len: usize, room: bool) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.offered = false;
        let own = conn.outbox.len();
        match &mut conn.role {
            Role::Playing { stream, cursor } => {
                let live = self.streams.get_mut(*stream).expect("a player's stream exists");
                live.stream.sent(cursor, &mut conn.outbox, len);
                live.share.spend(now, len);
                live.traffic.send(now, len);
            }
            _ => {
                conn.outbox.advance(len);
                let key = conn.fetches_from().and_then(|name| self.streams.find(name));
                if let Some(live) = key.and_then(|key| self.streams.get_mut(key)) {
                    live.traffic.send(now, len);
                }
            }
        }
        self.traffic.send(now, len);
        if len == 1 {
            reached!("a short write of one byte");
        }
        let drained = own > 0 && conn.outbox.is_empty();
        let standing = self.stand(id);
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.room && !room {
            log::debug!(cid:% = conn.cid; "its socket is full");
        }
        let stalls = conn.note_sent(now, len, room, standing == Standing::Ready);
        let ending = conn.ending.clone();
        match standing {
            Standing::Ready => self.mark_ready(id),
            Standing::Lost => {
                self.close(
                    id,
                    Reason::Limit("limits.attic_bytes: the player stalled in the middle of a frame".into()),
                );
            }
            Standing::InStep => match ending {
                Some((reason, _)) => self.close(id, reason),
                None => self.in_step(id),
            },
        }
        if drained {
            self.call(id, |session, cx, _| session.drained(cx));
            self.poke(id);
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

/// A player joins the end of its line: that of its stream while somebody waits there for the next turn. Who
/// is in step with the stream is ready at each of its frames, and would always be served before those.
fn line_up(id: ConnId, queued: &mut bool, share: &mut Share, ready: &mut ReadyList) {
    if share.is_empty() {
        ready.push(id, queued);
    } else if !std::mem::replace(queued, true) {
        share.wait(id);
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
