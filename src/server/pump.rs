//! Writing: which connection is written to next, and what follows when bytes were sent.
//!
//! In: the ready list, and the results of writes. Out: outputs, and connections to close. Which frames a
//! player gets is decided in `stream::playback`, where its cursor moves.

use crate::base::id::{Cid, ConnId};
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Taken;
use crate::server::peer::{Link, Role, State, WriteState};
use crate::server::peer_mut::PeerMut;
use crate::session::Session;
use crate::stream::cursor::{Cursor, Next};
use crate::stream::playback::Readiness;

impl Server {
    /// Decides about `id`, which was taken from the ready list. True if the shell is to write for it.
    pub(super) fn offer(&mut self, id: ConnId) -> bool {
        let Server { cx, peers, streams, .. } = self;
        let Some(peer) = peers.get_mut(id) else { return false };
        let Link::Stream(link) = &mut peer.link;
        if link.write != WriteState::Queued {
            return false;
        }
        let readiness = match &mut peer.role {
            Role::Playing { stream, cursor } => {
                let key = *stream;
                let Some(hosted) = streams.get_mut(key) else { return false };
                // So that a stream with many players does not delay the reads of this pass.
                if hosted.budget.is_spent(cx.now, cx.config.limits.pass_writes) {
                    reached!("the players of a stream waited for the next pass");
                    hosted.budget.wait(id);
                    if let Some(mut stream) = self.stream(key) {
                        stream.arm();
                    }
                    return false;
                }
                let before = (cursor.next, cursor.dropped);
                let readiness = hosted.stream.advance(cursor, &mut link.outbox);
                log_move(peer.cid, cursor, before);
                readiness
            }
            _ if link.outbox.is_empty() => Readiness::CaughtUp,
            _ => Readiness::Ready,
        };
        link.write = if readiness == Readiness::Ready { WriteState::Offered } else { WriteState::Idle };
        // The frame that the player has received in part is gone: its bytes cannot be completed.
        if readiness == Readiness::Lost {
            self.close(id, Reason::Limit(Limit::PinnedBytes));
        }
        readiness == Readiness::Ready
    }

    /// Counts bytes that were sent, moves the cursor, and decides what is next for `id`.
    pub(super) fn sent(&mut self, id: ConnId, Taken { len, room }: Taken) {
        let Server { cx, peers, streams, queues, traffic, .. } = self;
        let now = cx.now;
        let Some(peer) = peers.get_mut(id) else { return };
        let Link::Stream(link) = &mut peer.link;
        let own = link.outbox.len();
        let mut hosted = None;
        let readiness = match &mut peer.role {
            Role::Playing { stream, cursor } => {
                let playing = streams.get_mut(*stream).expect("a player's stream exists (I21)");
                playing.stream.sent(cursor, &mut link.outbox, len);
                playing.budget.spend(now, len);
                playing.traffic.send(now, len);
                let before = (cursor.next, cursor.dropped);
                let readiness = playing.stream.advance(cursor, &mut link.outbox);
                log_move(peer.cid, cursor, before);
                hosted = Some(playing);
                readiness
            }
            _ => {
                link.outbox.advance(len);
                // A client of HLS plays nothing, but its bytes count for the stream.
                let key = peer.fetches_from().and_then(|name| streams.find(name));
                if let Some(fetched) = key.and_then(|key| streams.get_mut(key)) {
                    fetched.traffic.send(now, len);
                }
                let Link::Stream(link) = &peer.link;
                if link.outbox.is_empty() { Readiness::CaughtUp } else { Readiness::Ready }
            }
        };
        traffic.send(now, len);
        peer.traffic.send(now, len);
        if len == 1 {
            reached!("a short write of one byte");
        }
        if !room {
            log::debug!(cid:% = peer.cid; "the socket is full");
        }
        let Link::Stream(link) = &mut peer.link;
        link.write = if room { WriteState::Idle } else { WriteState::Blocked };
        let sent_bytes = peer.traffic.sent_bytes();
        let stalls = link.note_sent(now, sent_bytes, readiness == Readiness::Ready);
        let emptied = own > 0 && link.outbox.is_empty();
        let mut told = false;
        match readiness {
            Readiness::Ready => match hosted {
                Some(hosted) => hosted.budget.line_up(id, link, &mut queues.ready),
                None if link.joins_queue() => queues.ready.push(id),
                None => {}
            },
            Readiness::Lost => queues.closes.push_back((id, Reason::Limit(Limit::PinnedBytes))),
            // The final response has left, or the player has all frames of a stream that has ended.
            Readiness::CaughtUp => match &peer.state {
                State::Ending { reason, .. } => queues.closes.push_back((id, reason.clone())),
                State::Open(_) => told = hosted.is_some_and(|hosted| hosted.ended),
            },
        }
        // Else neither the session nor the deadline is concerned: true for nearly every write to a player.
        if emptied || stalls {
            let mut peer = PeerMut { peer, queues, cx };
            if emptied {
                peer.call(|session, cx, _| session.outbox_emptied(cx));
                peer.wake_session();
            }
            peer.arm();
        }
        if told {
            self.stream_has_ended(id);
        }
    }

    /// Ends playing for a player that has all frames of a stream that has ended.
    fn stream_has_ended(&mut self, id: ConnId) {
        let Some(key) = self.peers.get(id).and_then(|peer| peer.role.stream()) else { return };
        if let Some(mut stream) = self.stream(key) {
            stream.caught_up(id);
        }
        self.forget_stream(key);
    }

    /// The socket of `id` has room again.
    pub(super) fn writable(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        log::debug!(cid:% = peer.cid; "the socket has room again");
        let Link::Stream(link) = &mut peer.link;
        // A shell may report room that was not missing.
        if link.write != WriteState::Blocked {
            return;
        }
        link.write = WriteState::Idle;
        self.queue_write(id);
    }

    /// Queues `id` for writing; a player is queued behind the other players of its stream.
    pub(super) fn queue_write(&mut self, id: ConnId) {
        let Some(peer) = self.peers.get(id) else { return };
        match peer.role {
            Role::Playing { stream, .. } => {
                if let Some(mut stream) = self.stream(stream) {
                    stream.queue_write(id);
                }
            }
            _ => {
                if let Some(mut peer) = self.peer(id) {
                    peer.queue_write();
                }
            }
        }
    }
}

/// Logs where a player goes on, if the cursor was placed anew.
fn log_move(cid: Cid, cursor: &Cursor, (before, dropped): (Next, u64)) {
    let Next::At(frame) = cursor.next else { return };
    let skipped = cursor.dropped - dropped;
    if skipped > 0 {
        reached!("the ring overtook a cursor");
        log::debug!(cid:%, skipped, frame; "the ring has overtaken the player, which goes on further ahead");
    } else if matches!(before, Next::Seek(_)) {
        log::debug!(cid:%, frame; "the player is sent frames from here on");
    }
}
