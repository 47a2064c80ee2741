//! What the server holds, in numbers: for checkers that look at it from outside.

use crate::base::id::ConnId;
use crate::server::Server;
use crate::server::conn::Role;

/// What the server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
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
    /// Questions that were not answered.
    pub questions: usize,
    /// Bytes of payload: what came and waits, what waits to leave, frames, what they were laid out as, and
    /// HLS.
    pub bytes: u64,
}

impl Held {
    /// True if nothing is held at all.
    pub fn is_nothing(&self) -> bool {
        *self == Held::default()
    }
}

/// What a connection is about, in a word, for checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing with a stream (yet, or any more).
    Nothing,
    /// It publishes.
    Publishing,
    /// It waits for a stream or a file.
    Waiting,
    /// It plays.
    Playing,
    /// It says its last words.
    Ending,
}

impl Server {
    /// What the server holds. Looks at everybody.
    pub fn held(&self) -> Held {
        let own = self.conns.iter().map(|conn| conn.inbox.len() + conn.outbox.len()).sum::<usize>();
        let streams = self.streams.iter().map(|(_, _, live)| {
            live.stream.bytes() + live.hls.as_ref().map_or(0, crate::package::hls::Hls::bytes)
        });
        let players = self.streams.iter().map(|(_, _, live)| live.players.len() + live.waiting.len());
        Held {
            conns: self.conns.len(),
            streams: self.streams.len(),
            published: self.streams.iter().filter(|(_, _, live)| live.is_published()).count(),
            players_max: players.max().unwrap_or(0),
            timers: self.timers.len(),
            queued: self.ready.len() + self.pokes.len() + self.asks.len() + self.outputs.len(),
            questions: self.measures.len(),
            bytes: (own + streams.sum::<usize>()) as u64,
        }
    }

    /// What a connection is about; `None` if it is gone.
    pub fn doing(&self, conn: ConnId) -> Option<Doing> {
        let conn = self.conns.get(conn)?;
        Some(match &conn.role {
            _ if conn.ending.is_some() => Doing::Ending,
            Role::None => Doing::Nothing,
            Role::Publishing(_) => Doing::Publishing,
            Role::Waiting { .. } | Role::Fetching { .. } => Doing::Waiting,
            Role::Playing { .. } => Doing::Playing,
        })
    }
}
