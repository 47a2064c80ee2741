//! The end of connections: each is closed once, with a reason, after its final response was sent.

use crate::base::id::ConnId;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Output;
use crate::server::peer::{FINAL_RESPONSE_TIMEOUT, Link, Role, State, WriteState};
use crate::server::queues::Timer;
use crate::status::ClientKind;

impl Server {
    /// Begins the end of a connection: it leaves its stream, its outbox is sent, then it is closed.
    pub(super) fn finish(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let until = self.cx.now + FINAL_RESPONSE_TIMEOUT;
        let Some(mut peer) = self.peer(id).filter(|peer| !peer.peer.is_ending()) else { return };
        let Link::Stream(link) = &mut peer.peer.link;
        if link.outbox.is_empty() && link.write != WriteState::Offered {
            // Nothing to send, and no write whose result is still to come.
            return self.close(id, reason);
        }
        peer.peer.state = State::Ending { reason, until };
        peer.queue_write();
        peer.arm();
    }

    /// The peer closed its side. A player has left; any other peer may still wait for a response.
    pub(super) fn peer_left(&mut self, id: ConnId) {
        match self.peers.get(id).map(|peer| &peer.role) {
            // Endless responses have no end that a half-closed player could wait for.
            Some(Role::Playing { .. }) => self.close(id, Reason::PeerLeft),
            Some(_) => {
                reached!("a peer that plays nothing closed its side");
                self.finish(id, Reason::PeerLeft);
            }
            None => {}
        }
    }

    /// Closes a connection and removes every reference to it (I21).
    pub(super) fn close(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let Some(peer) = self.peers.remove(id) else { return };
        // It would wake the loop for nothing.
        self.queues.timers.set(Timer::Peer(id), None);
        let Link::Stream(link) = &peer.link;
        // Closing at once with bytes unread makes the kernel send RST, which can destroy a response in
        // flight.
        let linger = link.outbox.is_empty() && !matches!(reason, Reason::Broken(_));
        self.queues.outputs.push_back(Output::Close { conn: id, linger });
        if !link.outbox.is_empty() {
            reached!("a connection ended with unsent bytes");
        }
        // The first reason explains more: a peer that was refused also leaves.
        let reason = match peer.state {
            State::Ending { reason: first, .. } => first,
            State::Open(_) => reason,
        };
        let level = if reason.is_fault() { log::Level::Warn } else { log::Level::Info };
        let (received, sent) = (peer.traffic.received_bytes(), peer.traffic.sent_bytes());
        let seconds = self.cx.now.since(peer.since).as_secs_f32();
        // Connections without a request are common: port scanners, browsers that connect in advance.
        let is_idle = peer.introduction.kind.is_none();
        let level = if is_idle && level == log::Level::Info { log::Level::Debug } else { level };
        let (kind, addr) = (peer.introduction.kind.map_or("peer", ClientKind::name), peer.addr);
        log::log!(
            level, cid:% = peer.cid;
            "closed {kind} {addr}: {reason} ({seconds:.1} s, {received} bytes in, {sent} bytes out)"
        );
    }
}
