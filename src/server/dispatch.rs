//! Calls of sessions.
//!
//! In: received bytes. Out: the requests of the sessions, performed, until none is left or the budget of
//! calls is spent.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::peer::Link;
use crate::session::ask::Answer;

/// Most calls of `Session::receive` in one `handle` (I19). Sessions with unread input go on in the next.
const CALLS_MAX: usize = 4096;

impl Server {
    /// Handles bytes that were received from `id`.
    pub(super) fn received(&mut self, id: ConnId, mut bytes: &[u8]) {
        let now = self.cx.now;
        // Counted even if the connection is gone: the bytes used the network.
        self.traffic.receive(now, bytes.len());
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.traffic.receive(now, bytes.len());
        if let Some(hosted) = peer.role.stream().and_then(|stream| self.streams.get_mut(stream)) {
            hosted.traffic.receive(now, bytes.len());
        }
        // In pieces: more may come at once than an inbox holds, and the session consumes between two pieces.
        while !bytes.is_empty() {
            let Some(mut peer) = self.peer(id).filter(|peer| !peer.peer.is_ending()) else { return };
            let Link::Stream(link) = &mut peer.peer.link;
            let room = link.inbox.limit().saturating_sub(link.inbox.len());
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            // The session has not consumed any of a full inbox: it never will.
            if piece.is_empty() {
                reached!("an inbox was full");
                self.finish(id, Reason::Limit(Limit::UnprovenBytes));
                return;
            }
            link.inbox.lend(&mut peer.queues.spare);
            let fits = link.inbox.receive(piece);
            assert!(fits, "the inbox has the room that it said it has (I16)");
            bytes = rest;
            peer.wake_session();
            self.run_sessions();
        }
    }

    /// Performs requests and lets sessions read on, until nothing is left or the budget is spent.
    pub(super) fn run_sessions(&mut self) {
        // Bounded, so that one input never keeps the loop from the others (I19).
        for _ in 0..CALLS_MAX {
            self.perform_asks();
            let Some(id) = self.queues.sessions.pop_front() else { return };
            if let Some(mut peer) = self.peer(id) {
                peer.receive();
            }
        }
    }

    /// Performs requests of sessions. Peers that are to be closed are closed before the next request.
    pub(super) fn perform_asks(&mut self) {
        loop {
            self.perform_closes();
            let Some((id, ask)) = self.queues.asks.pop_front() else { return };
            self.perform(id, ask);
        }
    }

    pub(super) fn perform_closes(&mut self) {
        while let Some((id, reason)) = self.queues.closes.pop_front() {
            self.close(id, reason);
        }
    }

    /// Gives a session an answer.
    pub(super) fn answer(&mut self, id: ConnId, answer: Answer) {
        if let Some(mut peer) = self.peer(id) {
            peer.answer(answer);
        }
    }
}
