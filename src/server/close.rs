//! How connections are closed: once each, with a reason, after their final response.

use crate::base::id::ConnId;
use crate::base::reason::Reason;
use crate::server::conn::{FINAL_RESPONSE_TIMEOUT, Role};
use crate::server::output::Output;
use crate::server::{Server, Timer};
use crate::status::ClientKind;

impl Server {
    /// Begins the end of a connection: it leaves its stream, its final response leaves, then it is closed.
    pub(super) fn finish(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let until = self.now + FINAL_RESPONSE_TIMEOUT;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.ending.is_some() {
            return;
        }
        conn.ending = Some((reason.clone(), until));
        if conn.outbox.is_empty() && !conn.offered {
            self.close(id, reason);
        } else {
            self.mark_ready(id);
            self.arm(id);
        }
    }

    /// The peer closed its side. A player has left; another peer may still read the answer to what it said.
    pub(super) fn peer_left(&mut self, id: ConnId) {
        match self.conns.get(id).map(|conn| &conn.role) {
            Some(Role::Playing { .. }) => self.close(id, Reason::PeerLeft),
            Some(_) => {
                reached!("a peer that plays nothing closed its side");
                self.finish(id, Reason::PeerLeft);
            }
            None => {}
        }
    }

    /// The end of a connection. Whatever referred to it forgets it (I21).
    pub(super) fn close(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let Some(conn) = self.conns.remove(id) else { return };
        self.timers.set(Timer::Conn(id), None);
        let linger = conn.outbox.is_empty() && !matches!(reason, Reason::Broken(_));
        self.outputs.push_back(Output::Close { conn: id, linger });
        if !conn.outbox.is_empty() {
            reached!("a connection ended with words unsaid");
        }
        // A fault that came before the peer left explains more than its leaving.
        let reason = conn.ending.map_or(reason, |(first, _)| first);
        let level = if reason.is_fault() { log::Level::Warn } else { log::Level::Info };
        let (received, sent) = (conn.traffic.received_bytes(), conn.traffic.sent_bytes());
        let seconds = self.now.since(conn.since).as_secs_f32();
        // Peers that never did anything are many: scanners, browsers that connect in advance.
        let is_idle = conn.introduction.kind.is_none();
        let level = if is_idle && level == log::Level::Info { log::Level::Debug } else { level };
        let (kind, peer) = (conn.introduction.kind.map_or("peer", ClientKind::name), conn.peer);
        log::log!(
            level, cid:% = conn.cid;
            "{kind} {peer} is gone: {reason} ({seconds:.1} s, {received} bytes in, {sent} bytes out)"
        );
    }
}
