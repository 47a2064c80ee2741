//! How connections are closed: once each, with a reason, after their final response.

use crate::base::id::ConnId;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Output;
use crate::server::peer::{FINAL_RESPONSE_TIMEOUT, Link, Role, State, WriteState};
use crate::server::queues::Timer;
use crate::status::ClientKind;

impl Server {
    /// Begins the end of a connection: it leaves its stream, its final response leaves, then it is closed.
    pub(super) fn finish(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let until = self.cx.now + FINAL_RESPONSE_TIMEOUT;
        let Some(mut peer) = self.peer(id).filter(|peer| !peer.peer.is_ending()) else { return };
        let Link::Stream(link) = &mut peer.peer.link;
        if link.outbox.is_empty() && link.write != WriteState::Offered {
            return self.close(id, reason);
        }
        peer.peer.state = State::Ending { reason, until };
        peer.queue_write();
        peer.arm();
    }

    /// The peer closed its side. A player has left; another peer may still read the answer to what it said.
    pub(super) fn peer_left(&mut self, id: ConnId) {
        match self.peers.get(id).map(|peer| &peer.role) {
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
        let Some(peer) = self.peers.remove(id) else { return };
        self.queues.timers.set(Timer::Peer(id), None);
        let Link::Stream(link) = &peer.link;
        let linger = link.outbox.is_empty() && !matches!(reason, Reason::Broken(_));
        self.queues.outputs.push_back(Output::Close { conn: id, linger });
        if !link.outbox.is_empty() {
            reached!("a connection ended with words unsaid");
        }
        // A fault that came before the peer left explains more than its leaving.
        let reason = match peer.state {
            State::Ending { reason: first, .. } => first,
            State::Open(_) => reason,
        };
        let level = if reason.is_fault() { log::Level::Warn } else { log::Level::Info };
        let (received, sent) = (peer.traffic.received_bytes(), peer.traffic.sent_bytes());
        let seconds = self.cx.now.since(peer.since).as_secs_f32();
        // Peers that never did anything are many: scanners, browsers that connect in advance.
        let is_idle = peer.introduction.kind.is_none();
        let level = if is_idle && level == log::Level::Info { log::Level::Debug } else { level };
        let (kind, addr) = (peer.introduction.kind.map_or("peer", ClientKind::name), peer.addr);
        log::log!(
            level, cid:% = peer.cid;
            "{kind} {addr} is gone: {reason} ({seconds:.1} s, {received} bytes in, {sent} bytes out)"
        );
    }
}
