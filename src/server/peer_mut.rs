//! One peer, with what a change of it may touch: its session is called here, and nowhere else.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::server::context::Context;
use crate::server::output::Output;
use crate::server::peer::{Link, Peer, ReadState, State};
use crate::server::queues::{Queues, Timer};
use crate::session::ask::{Answer, Ask};
use crate::session::{AnySession, Cx, Progress, Session};

/// A peer, the queues, and what everything may look at.
pub struct PeerMut<'a> {
    /// The peer.
    pub peer: &'a mut Peer,
    /// What is still to be done.
    pub queues: &'a mut Queues,
    /// Configuration and time.
    pub cx: &'a Context,
}

impl PeerMut<'_> {
    /// Calls the session and looks after what it did. `None` if there is none any more, or if it failed.
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
                // What it asked before it failed still counts: frames before a broken message are good.
                queues.asks.push_back((id, Ask::Bye(reason)));
                None
            }
        };
        self.after_call();
        value
    }

    /// After the session was called: its limits, bytes to write, its deadline.
    pub fn after_call(&mut self) {
        let PeerMut { peer, queues, .. } = self;
        let Link::Stream(link) = &mut peer.link;
        if let Some(limit) = link.outbox.overflowed() {
            reached!("an outbox was full");
            queues.closes.push_back((peer.id, Reason::Limit(limit)));
            return;
        }
        let waiting = link.outbox.len();
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

    /// The peer has bytes: it joins the ready list, if there is room for them.
    pub fn queue_write(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        if link.joins_queue() {
            self.queues.ready.push(self.peer.id);
        }
    }

    /// Tells the session something; its inbox is looked at again afterwards.
    pub fn answer(&mut self, answer: Answer) {
        if !self.peer.is_ending() {
            self.call(|session, cx, _| session.answer(cx, answer));
            self.wake_session();
        }
    }

    /// The session is to look at its inbox.
    pub fn wake_session(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        if link.read == ReadState::Idle {
            link.read = ReadState::Queued;
            self.queues.sessions.push_back(self.peer.id);
        }
    }

    /// The session looks at its inbox, once.
    pub fn receive(&mut self) {
        let Link::Stream(link) = &mut self.peer.link;
        let before = std::mem::replace(&mut link.read, ReadState::Idle);
        if link.inbox.is_empty() && before != ReadState::Unfinished {
            return;
        }
        if self.call(|session, cx, inbox| session.receive(cx, inbox)) == Some(Progress::More) {
            let Link::Stream(link) = &mut self.peer.link;
            link.read = ReadState::Unfinished;
            self.queues.sessions.push_back(self.peer.id);
        }
    }

    /// Keeps the peer's timer no later than its deadline.
    pub fn arm(&mut self) {
        let wanted = self.peer.deadline().map(|(at, _)| at);
        self.queues.arm(Timer::Peer(self.peer.id), &mut self.peer.armed, wanted);
    }
}

const READS_NO_MORE: &str = "nothing more is read from the peer before it has taken what waits for it";
const READS_AGAIN: &str = "the peer is read from again";
