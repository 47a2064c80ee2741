//! The queues of the server: timers, requests, closes, reads, writes, outputs. Their order is part of the
//! outcome.

use crate::base::id::{ConnId, Ticket};
use crate::base::inbox::Spare;
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::base::timers::Timers;
use crate::server::output::Output;
use crate::session::ask::Ask;
use crate::stream::registry::StreamKey;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What a timer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// A peer: the deadlines of its session and role, its send timeout.
    Peer(ConnId),
    /// A stream: a flush, the end of its linger time, its consumers.
    Stream(StreamKey),
    /// The end of a drain.
    Drain,
}

/// All queues.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queues {
    /// Timers of peers, streams and the drain.
    pub timers: Timers<Timer>,
    /// Connections that have bytes to send, and room.
    pub ready: ReadyList,
    /// Outputs that were not polled yet.
    pub outputs: VecDeque<Output>,
    /// Requests of sessions.
    pub asks: VecDeque<(ConnId, Ask)>,
    /// Connections to close. Handled before the next request.
    pub closes: VecDeque<(ConnId, Reason)>,
    /// Connections whose sessions are to read their inbox.
    pub sessions: VecDeque<ConnId>,
    /// List that is lent to a session during a call. Empty between calls.
    #[serde(skip)]
    pub scratch: VecDeque<Ask>,
    /// The buffer that is lent to inboxes.
    #[serde(skip)]
    pub spare: Spare,
    tickets: u64,
}

impl Queues {
    /// A new ticket.
    pub fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Sets a timer to `wanted` if that is earlier than `armed`. A timer is never moved to a later time: when
    /// it fires early it is set again. So traffic on a busy connection never touches the timers.
    pub fn arm(&mut self, timer: Timer, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        if let Some(at) = wanted
            && armed.is_none_or(|armed| at < armed)
        {
            *armed = Some(at);
            self.timers.set(timer, Some(at));
        }
    }

    /// Number of entries in all queues, timers excluded.
    pub fn len(&self) -> usize {
        let queued = self.ready.len() + self.sessions.len() + self.closes.len();
        queued + self.asks.len() + self.outputs.len()
    }

    /// A copy of the entries of connections and streams that stay.
    pub fn subset(&self, stay: impl Fn(ConnId) -> bool, streams: impl Fn(StreamKey) -> bool) -> Self {
        Queues {
            timers: self.timers.subset(|timer| match timer {
                Timer::Peer(id) => stay(id),
                Timer::Stream(key) => streams(key),
                Timer::Drain => true,
            }),
            ready: self.ready.subset(&stay),
            outputs: VecDeque::new(),
            asks: self.asks.iter().filter(|(id, _)| stay(*id)).cloned().collect(),
            closes: self.closes.iter().filter(|(id, _)| stay(*id)).cloned().collect(),
            sessions: self.sessions.iter().copied().filter(|id| stay(*id)).collect(),
            scratch: VecDeque::new(),
            spare: Spare::default(),
            tickets: self.tickets,
        }
    }
}
