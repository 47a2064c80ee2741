//! Calls of sessions: bytes in, asks out, answers back, until nothing is left to do or the budget of calls is
//! spent.

use crate::base::id::ConnId;
use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::server::Server;
use crate::server::output::Output;
use crate::session::ask::{Answer, Ask};
use crate::session::{AnySession, Cx, Progress, Session};

/// Most calls of sessions' `receive` in one `handle` (I19); who has more to say goes on in the next.
const CALLS_MAX: usize = 4096;

const READS_NO_MORE: &str = "nothing more is read from the peer before it has taken what waits for it";
const READS_AGAIN: &str = "the peer is read from again";

impl Server {
    pub(super) fn received(&mut self, id: ConnId, mut bytes: &[u8]) {
        let now = self.now;
        self.traffic.receive(now, bytes.len());
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.traffic.receive(now, bytes.len());
        if let Some(hosted) = conn.role.stream().and_then(|stream| self.streams.get_mut(stream)) {
            hosted.traffic.receive(now, bytes.len());
        }
        while !bytes.is_empty() {
            let Some(conn) = self.conns.get_mut(id) else { return };
            if conn.ending.is_some() {
                return;
            }
            let room = conn.inbox.limit().saturating_sub(conn.inbox.len());
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            if piece.is_empty() {
                reached!("an inbox was full");
                self.finish(id, Reason::Limit(Limit::UnprovenBytes));
                return;
            }
            let fits = conn.inbox.receive(piece);
            assert!(fits, "the inbox has the room that it said it has (I16)");
            bytes = rest;
            self.wake_session(id);
            self.run_sessions();
        }
    }

    /// `conn` wants its session to look at its inbox.
    pub(super) fn wake_session(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.woken
        {
            conn.woken = true;
            self.woken.push_back(id);
        }
    }

    /// Performs what was asked and lets sessions read on, until nothing is left or the budget is spent.
    pub(super) fn run_sessions(&mut self) {
        for _ in 0..CALLS_MAX {
            self.perform_asks();
            let Some(id) = self.woken.pop_front() else { return };
            self.call_receive(id);
        }
    }

    /// Performs what was asked.
    pub(super) fn perform_asks(&mut self) {
        while let Some((id, ask)) = self.asks.pop_front() {
            self.perform(id, ask);
        }
    }

    /// One call of a session's `receive`.
    pub(super) fn call_receive(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.woken = false;
        let unfinished = std::mem::take(&mut conn.unfinished);
        if conn.ending.is_some() || conn.inbox.is_empty() && !unfinished {
            return;
        }
        let progress = self.call(id, |session, cx, inbox| session.receive(cx, inbox));
        if progress == Some(Progress::More) {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.unfinished = true;
            }
            self.wake_session(id);
        }
    }

    /// Calls a session and looks after what it did. `None` if it is gone, or ended by this.
    pub(super) fn call<T>(
        &mut self,
        id: ConnId,
        act: impl FnOnce(&mut AnySession, &mut Cx<'_>, &mut Inbox) -> Result<T, Reason>,
    ) -> Option<T> {
        let conn = self.conns.get_mut(id)?;
        let mut cx = Cx {
            now: self.now,
            epoch: self.epoch,
            config: &self.config,
            cid: conn.cid,
            peer: conn.peer,
            identity: &self.identity,
            rng: &mut conn.rng,
            out: &mut conn.outbox,
            asks: &mut self.scratch,
        };
        let result = act(&mut conn.session, &mut cx, &mut conn.inbox);
        self.take_asks(id);
        match result {
            Ok(value) => {
                self.after_call(id);
                Some(value)
            }
            Err(reason) => {
                // What it asked before it failed still counts: frames before a broken message are good.
                self.asks.push_back((id, Ask::Bye(reason)));
                self.after_call(id);
                None
            }
        }
    }

    pub(super) fn take_asks(&mut self, id: ConnId) {
        self.asks.extend(self.scratch.drain(..).map(|ask| (id, ask)));
    }

    /// After a session was called: bytes to write, its deadline, its limits.
    pub(super) fn after_call(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Some(limit) = conn.outbox.overflowed()
            && conn.ending.is_none()
        {
            reached!("an outbox was full");
            self.close(id, Reason::Limit(limit));
            return;
        }
        let waiting = conn.outbox.len();
        let read = waiting <= conn.outbox.bytes_max() / 2;
        if read != conn.reading {
            reached!("reading was turned off or on");
            conn.reading = read;
            log::debug!(cid:% = conn.cid, waiting; "{}", if read { READS_AGAIN } else { READS_NO_MORE });
            self.outputs.push_back(Output::Read { conn: id, on: read });
        }
        if waiting > 0 {
            self.mark_ready(id);
        }
        self.arm(id);
    }

    /// Tells a session something; its inbox is looked at again afterwards.
    pub(super) fn answer(&mut self, id: ConnId, answer: Answer) {
        if self.conns.get(id).is_none_or(|conn| conn.ending.is_some()) {
            return;
        }
        self.call(id, |session, cx, _| session.answer(cx, answer));
        self.wake_session(id);
    }
}
