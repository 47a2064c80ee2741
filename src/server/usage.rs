//! Resources that the server holds, in numbers, for checkers outside of it.

use crate::base::id::ConnId;
use crate::server::Server;
use crate::server::peer::{Peer, Role};

/// Resources in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Connections.
    pub conns: usize,
    /// Streams, those that peers merely wait for among them.
    pub streams: usize,
    /// Streams that are, or lately were, published.
    pub published: usize,
    /// Most players of one stream, those that wait for it among them.
    pub players_max: usize,
    /// Timers that are armed.
    pub timers: usize,
    /// Connections that are in line to write or to read on.
    pub queued: usize,
    /// Requests to the shell that were not answered yet.
    pub requests: usize,
    /// Bytes of payload: what came and waits, what waits to leave, frames, what they were laid out as, and
    /// HLS.
    pub bytes: u64,
}

impl Usage {
    /// True if nothing is held at all.
    pub fn is_nothing(&self) -> bool {
        *self == Usage::default()
    }
}

/// What a connection does, for checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing with a stream (yet, or any more).
    Nothing,
    /// It publishes.
    Publishing,
    /// It waits for a stream or a file.
    Waiting,
    /// It plays.
    Playing,
    /// Its final response is leaving.
    Ending,
}

impl Server {
    /// Resources in use. Takes time in proportion to the number of connections and streams.
    pub fn usage(&self) -> Usage {
        let own = self.peers.iter().map(Peer::bytes).sum::<usize>();
        let streams = self.streams.iter().map(|(_, _, hosted)| hosted.bytes());
        let players = self.streams.iter().map(|(_, _, hosted)| hosted.players.len() + hosted.waiting.len());
        Usage {
            conns: self.peers.len(),
            streams: self.streams.len(),
            published: self.streams.iter().filter(|(_, _, hosted)| hosted.is_published()).count(),
            players_max: players.max().unwrap_or(0),
            timers: self.queues.timers.len(),
            queued: self.queues.len(),
            requests: self.pending.len() + self.jobs.len(),
            bytes: (own + streams.sum::<usize>()) as u64,
        }
    }

    /// What a connection does; `None` if it is gone.
    pub fn activity(&self, conn: ConnId) -> Option<Activity> {
        let peer = self.peers.get(conn)?;
        Some(match &peer.role {
            _ if peer.is_ending() => Activity::Ending,
            Role::None => Activity::Nothing,
            Role::Publishing(_) => Activity::Publishing,
            Role::Admitting { .. } | Role::Waiting { .. } | Role::Fetching { .. } => Activity::Waiting,
            Role::Playing { .. } => Activity::Playing,
        })
    }
}
