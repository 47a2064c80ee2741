//! Resources that the server holds, in numbers, for checkers outside the server.

use crate::base::id::ConnId;
use crate::server::Server;
use crate::server::peer::{Peer, Role};

/// Resources in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of connections.
    pub conns: usize,
    /// Number of streams, including those that peers only wait for.
    pub streams: usize,
    /// Number of streams that are or lately were published.
    pub published: usize,
    /// Most players of one stream, including those that wait for it.
    pub players_max: usize,
    /// Number of armed timers.
    pub timers: usize,
    /// Number of entries in the queues.
    pub queued: usize,
    /// Number of requests to the shell that are not answered yet.
    pub requests: usize,
    /// Bytes in inboxes, outboxes, rings, renditions and consumers.
    pub bytes: u64,
}

impl Usage {
    /// True if every number is zero.
    pub fn is_nothing(&self) -> bool {
        *self == Usage::default()
    }
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It has no role.
    Nothing,
    /// It publishes.
    Publishing,
    /// It waits for admission, a stream or a file.
    Waiting,
    /// It plays.
    Playing,
    /// Its final response is being sent.
    Ending,
}

impl Server {
    /// The resources in use. Takes time in proportion to the number of connections and streams.
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
