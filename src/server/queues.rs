//! What the server has still to do, in order. Order is part of the outcome.

use crate::base::id::{ConnId, Ticket};
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::base::timers::Timers;
use crate::server::output::Output;
use crate::session::ask::Ask;
use crate::stream::registry::StreamKey;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// A peer: its session's deadline, the end of its waiting, its send timeout.
    Peer(ConnId),
    /// A stream: a flush, the end of lingering, its consumers.
    Stream(StreamKey),
    /// The end of a drain.
    Drain,
}

/// Everything that waits to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queues {
    /// Wake-ups.
    pub timers: Timers<Timer>,
    /// Connections that have bytes and room.
    pub ready: ReadyList,
    /// What the shell is to do.
    pub outputs: VecDeque<Output>,
    /// What sessions have asked for.
    pub asks: VecDeque<(ConnId, Ask)>,
    /// Connections that are to be closed, before anything else is done.
    pub closes: VecDeque<(ConnId, Reason)>,
    /// Connections whose sessions are to look at their inbox.
    pub sessions: VecDeque<ConnId>,
    /// The list that is lent to sessions. Empty between calls.
    #[serde(skip)]
    pub scratch: VecDeque<Ask>,
    tickets: u64,
}

impl Queues {
    /// A number for a request to the shell.
    pub fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Moves a timer forward to `wanted`. A deadline that moves away is noticed when its timer fires, so that
    /// a peer that keeps talking costs no timer work.
    pub fn arm(&mut self, timer: Timer, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        if let Some(at) = wanted
            && armed.is_none_or(|armed| at < armed)
        {
            *armed = Some(at);
            self.timers.set(timer, Some(at));
        }
    }

    /// How many connections and requests wait in them.
    pub fn len(&self) -> usize {
        let queued = self.ready.len() + self.sessions.len() + self.closes.len();
        queued + self.asks.len() + self.outputs.len()
    }

    /// A copy of what is about the connections and streams that stay.
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
            tickets: self.tickets,
        }
    }
}
