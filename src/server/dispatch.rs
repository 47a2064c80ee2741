//! Calls of sessions: bytes in, asks out, until nothing is left to do or the budget of calls is spent.

use crate::base::id::ConnId;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::peer::Link;
use crate::session::ask::Answer;

/// Most calls of sessions' `receive` in one `handle` (I19). Sessions with unread input go on in the next.
const CALLS_MAX: usize = 4096;

impl Server {
    /// Bytes came from `id`.
    pub(super) fn received(&mut self, id: ConnId, mut bytes: &[u8]) {
        let now = self.cx.now;
        self.traffic.receive(now, bytes.len());
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.traffic.receive(now, bytes.len());
        if let Some(hosted) = peer.role.stream().and_then(|stream| self.streams.get_mut(stream)) {
            hosted.traffic.receive(now, bytes.len());
        }
        while !bytes.is_empty() {
            let Some(mut peer) = self.peer(id).filter(|peer| !peer.peer.is_ending()) else { return };
            let Link::Stream(link) = &mut peer.peer.link;
            let room = link.inbox.limit().saturating_sub(link.inbox.len());
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            if piece.is_empty() {
                reached!("an inbox was full");
                self.finish(id, Reason::Limit(Limit::UnprovenBytes));
                return;
            }
            let fits = link.inbox.receive(piece);
            assert!(fits, "the inbox has the room that it said it has (I16)");
            bytes = rest;
            peer.wake_session();
            self.run_sessions();
        }
    }

    /// Performs what was asked and lets sessions read on, until nothing is left or the budget is spent.
    pub(super) fn run_sessions(&mut self) {
        for _ in 0..CALLS_MAX {
            self.perform_asks();
            let Some(id) = self.queues.sessions.pop_front() else { return };
            if let Some(mut peer) = self.peer(id) {
                peer.receive();
            }
        }
    }

    /// Performs what was asked. A peer that is to be closed is closed before anything else happens.
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

    /// Tells a session something.
    pub(super) fn answer(&mut self, id: ConnId, answer: Answer) {
        if let Some(mut peer) = self.peer(id) {
            peer.answer(answer);
        }
    }
}
