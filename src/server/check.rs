//! The invariants that must hold whenever `handle` returns. They look at everybody: debug builds check them
//! every time, a simulation whenever it likes.

use crate::base::id::ConnId;
use crate::server::conn::{Conn, Role};
use crate::server::{Server, Timer};

/// With more connections than this, only some of them are looked at each time.
const LOOK_AT_MAX: usize = 64;

impl Server {
    /// Panics if an invariant does not hold; the message begins with its number.
    pub fn check(&self) {
        let look_at = self.conns.iter().take(LOOK_AT_MAX);
        for conn in look_at {
            self.check_bounds(conn);
            self.check_role(conn);
            self.check_wakefulness(conn);
        }
        for (name, key, hosted) in self.streams.iter() {
            for id in hosted.players.iter().chain(&hosted.waiting).chain(&hosted.fetching).take(LOOK_AT_MAX) {
                assert!(self.conns.get(*id).is_some(), "I21: {name} refers to {id:?}, which is gone");
            }
            if let Some(by) = hosted.stream.publication() {
                let role = self.conns.get(by.conn).map(|conn| &conn.role);
                assert!(
                    matches!(role, Some(Role::Publishing(of)) if *of == key),
                    "I24: one publisher, both ways"
                );
            }
            if let Some((at, why)) = hosted.deadline() {
                assert!(
                    hosted.armed.is_some_and(|armed| armed <= at),
                    "I27: {name} would sleep through {why}"
                );
            }
        }
    }

    fn check_bounds(&self, conn: &Conn) {
        // A player that left in the middle of a frame gets its rest as own bytes.
        let rest_max = self.config.limits.frame_bytes * 2;
        assert!(conn.outbox.len() <= conn.outbox.bytes_max() + rest_max, "I14: {} outbox", conn.cid);
        assert!(conn.inbox.len() <= conn.inbox.limit(), "I16: {} inbox", conn.cid);
    }

    fn check_role(&self, conn: &Conn) {
        let Some(hosted) = conn.role.stream().map(|key| self.streams.get(key)) else { return };
        let hosted = hosted.expect("I21: a stream lives as long as somebody refers to it");
        let listed = match &conn.role {
            Role::None => true,
            Role::Publishing(_) => hosted.stream.publication().is_some_and(|by| by.conn == conn.id),
            Role::Waiting { .. } => hosted.waiting.contains(&conn.id),
            Role::Playing { .. } => hosted.players.contains(&conn.id),
            Role::Fetching { .. } => hosted.fetching.contains(&conn.id),
        };
        assert!(listed, "I21: {} and its stream disagree about {:?}", conn.cid, conn.role);
    }

    /// Nobody is forgotten: who has bytes and room is in line, who has a deadline has a timer.
    fn check_wakefulness(&self, conn: &Conn) {
        if conn.room && !conn.offered && !conn.outbox.is_empty() {
            let listed = self.ready.contains(conn.id) || self.waits_for_pass(conn.id);
            assert!(conn.queued && listed, "I29: {} has bytes and is not queued", conn.cid);
        }
        if let Some((at, why)) = conn.deadline() {
            let armed = conn.armed.is_some_and(|armed| armed <= at && self.is_armed(conn.id, armed));
            assert!(armed, "I27: {} would sleep through {why}", conn.cid);
        }
    }

    /// True if `id` has bytes and waits for the next pass of the loop (`limits.pass_writes`). A search: for
    /// checks only.
    pub fn waits_for_pass(&self, id: ConnId) -> bool {
        let key = self.conns.get(id).and_then(|conn| conn.role.stream());
        key.and_then(|key| self.streams.get(key)).is_some_and(|hosted| hosted.budget.contains(id))
    }

    fn is_armed(&self, id: ConnId, at: crate::base::time::Instant) -> bool {
        self.timers.get(Timer::Conn(id)) == Some(at)
    }
}
