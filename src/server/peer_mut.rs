//! A view of one peer and of what a change of it may touch. The only place that calls a session.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::server::context::Context;
use crate::server::output::Output;
use crate::server::peer::{Link, Peer, ReadState, State};
use crate::server::queues::{Queues, Timer};
use crate::session::ask::{Answer, Ask};
use crate::session::{AnySession, Cx, Progress, Session};

/// A view of a peer.
pub struct PeerMut<'a> {
    /// The peer.
    pub peer: &'a mut Peer,
    /// The queues of the server.
    pub queues: &'a mut Queues,
    /// Configuration and time.
    pub cx: &'a Context,
}

impl PeerMut<'_> {
    /// Calls the session, and queues its requests, bytes and timer. `None` if the peer is ending or the
    /// session failed; a session that fails is closed.
    pub fn call<T>(
        &mut self,
        act: impl FnOnce(&mut AnySession, &mut Cx<'_>, &mut Inbox) -> Result<T, Reason>,
    ) -> Option<T> {
        let PeerMut { peer, queues, cx } = self;
        let id = peer.id;
        let State::Open(session) = &mut peer.state else { return None };
        let Link::Stream(link) = &mut peer.link;
        let mut session_cx = Cx {
            now: cx.now,
            epoch: cx.epoch,
            config: &cx.config,
            cid: peer.cid,
            peer: peer.addr,
            identity: &cx.identity,
            rng: &mut peer.rng,
            out: &mut link.outbox,
            asks: &mut queues.scratch,
        };
        let result = act(session, &mut session_cx, &mut link.inbox);
        queues.asks.extend(queues.scratch.drain(..).map(|ask| (id, ask)));
        let value = match result {
            Ok(value) => Some(value),
            Err(reason) => {
                // Behind the requests of the same call: frames before a broken message are good.
                queues.asks.push_back((id, Ask::Bye(reason)));
                None
            }
        };
        self.after_call();
        value
    }

    /// After a call of the session: checks the limit of the outbox, queues bytes to write, sets the timer.
    pub fn after_call(&mut self) {
        let PeerMut { peer, queues, .. } = self;
        let Link::Stream(link) = &mut peer.link;
        // Closed without its requests being performed: their answers would make the outbox grow further.
        if let Some(limit) = link.outbox.overflowed() {
            reached!("an outbox was full");
            queues.closes.push_back((peer.id, Reason::Limit(limit)));
            return;
        }
        let waiting = link.outbox.len();
        // A peer that does not take answers gets no more requests read. Half leaves room for the answers to
        // what was read already.
        let read = waiting <= link.outbox.bytes_max() / 2;
        if read != link.reading {
            reached!("reading was turned off or on");
            link.reading = read;
            log::debug!(cid:% = peer.cid, waiting; "{}", if read { READS_AGAIN } else { READS_NO_MORE });
            queues.outputs.push_back(Output::Read { conn: peer.id, on: read });
        }
        if waiting > 0 {
            self.queue_write();
        }
        self.arm();
    }

    /// Adds a peer that has bytes to the ready list, unless its socket has no room.
    pub fn queue_write(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        if link.joins_queue() {
            self.queues.ready.push(self.peer.id);
        }
    }

    /// Gives the session an answer; then the session may read on.
    pub fn answer(&mut self, answer: Answer) {
        if !self.peer.is_ending() {
            self.call(|session, cx, _| session.answer(cx, answer));
            self.wake_session();
        }
    }

    /// Queues the session to read its inbox.
    pub fn wake_session(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        if link.read == ReadState::Idle {
            link.read = ReadState::Queued;
            self.queues.sessions.push_back(self.peer.id);
        }
    }

    /// Lets the session read its inbox, once.
    pub fn receive(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        let before = std::mem::replace(&mut link.read, ReadState::Idle);
        // Queued because of an answer, and no bytes wait.
        if link.inbox.is_empty() && before != ReadState::Unfinished {
            return;
        }
        let progress = self.call(|session, cx, inbox| session.receive(cx, inbox));
        let Link::Stream(link) = &mut self.peer.link;
        link.inbox.settle(&mut self.queues.spare);
        // To the end of the queue: the other sessions get their calls in between.
        if progress == Some(Progress::More) {
            link.read = ReadState::Unfinished;
            self.queues.sessions.push_back(self.peer.id);
        }
    }

    /// Sets the peer's timer no later than its deadline.
    pub fn arm(&mut self) {
        let wanted = self.peer.deadline().map(|(at, _)| at);
        self.queues.arm(Timer::Peer(self.peer.id), &mut self.peer.armed, wanted);
    }
}

const READS_NO_MORE: &str = "stopped reading from the peer: it does not take the bytes that wait for it";
const READS_AGAIN: &str = "reading from the peer again";
