//! A connection as the server keeps it: a session, its bytes on both sides, and what it does with streams.

use crate::base::id::{Cid, ConnId};
use crate::base::inbox::Inbox;
use crate::base::name::StreamName;
use crate::base::outbox::Outbox;
use crate::base::reason::Reason;
use crate::base::rng::Rng;
use crate::base::table::Table;
use crate::base::time::Instant;
use crate::server::traffic::Traffic;
use crate::session::AnySession;
use crate::session::ask::Introduction;
use crate::status::ClientKind;
use crate::stream::cursor::Cursor;
use crate::stream::registry::StreamKey;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// How long the final response may take to leave before the connection is dropped.
pub const FINAL_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that does not take at least so many bytes within the send timeout is too slow to be kept.
pub const PROGRESS_BYTES_MIN: u64 = 16 << 10;

/// What a connection does with a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Nothing.
    None,
    /// It publishes this one.
    Publishing(StreamKey),
    /// It waits for this one to begin, until then at the latest.
    Waiting {
        /// Which stream.
        stream: StreamKey,
        /// In which format it will play.
        format: Format,
        /// When its patience ends.
        until: Instant,
    },
    /// It plays this one.
    Playing {
        /// Which stream.
        stream: StreamKey,
        /// Where it stands.
        cursor: Cursor,
    },
    /// It waits for a file of this one, until then at the latest.
    Fetching {
        /// Which stream.
        stream: StreamKey,
        /// Which file.
        file: HlsFile,
        /// When its patience ends.
        until: Instant,
    },
}

impl Role {
    /// The stream that it is about.
    pub fn stream(&self) -> Option<StreamKey> {
        match self {
            Role::None => None,
            Role::Publishing(stream)
            | Role::Waiting { stream, .. }
            | Role::Playing { stream, .. }
            | Role::Fetching { stream, .. } => Some(*stream),
        }
    }

    fn until(&self) -> Option<Instant> {
        match self {
            Role::Waiting { until, .. } | Role::Fetching { until, .. } => Some(*until),
            Role::None | Role::Publishing(_) | Role::Playing { .. } => None,
        }
    }
}

/// Bytes are waiting and the kernel has no room for them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stall {
    /// Since when; moved forward by progress that is worth the name.
    pub since: Instant,
    /// Bytes sent in all when it began.
    pub sent_bytes: u64,
}

/// One connection. Laid out as written: what every write to a player touches comes first and stands close
/// together, since with thousands of players each line of memory is one that has to be fetched again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct Conn {
    /// Its place and generation.
    pub id: ConnId,
    /// False while the kernel has no room for its bytes.
    pub room: bool,
    /// True while it stands in the ready list.
    pub queued: bool,
    /// True from the moment the shell was told to write for it until it reports.
    pub offered: bool,
    /// True while it stands in the list of those that want to go on reading their inbox.
    pub woken: bool,
    /// True if its session stopped in the middle of its work to let others have their turn.
    pub unfinished: bool,
    /// False while the shell was asked not to read from it.
    pub reading: bool,
    /// What it does with a stream.
    pub role: Role,
    /// Since when bytes wait without room.
    pub stall: Option<Stall>,
    /// Own bytes that wait to leave.
    pub outbox: Outbox,
    /// Bytes so far.
    pub traffic: Traffic,
    /// Why it is about to be closed, and by when at the latest.
    pub ending: Option<(Reason, Instant)>,
    /// Its word in logs and in the API.
    pub cid: Cid,
    /// When the server wakes up for it; never later than [`Conn::deadline`] (I27).
    pub armed: Option<Instant>,
    /// Players' send timeout in force.
    pub send_timeout: Duration,
    /// What it speaks.
    pub session: AnySession,
    /// Bytes that came and wait.
    pub inbox: Inbox,
    /// Its random generator.
    pub rng: Rng,
    /// Who it is.
    pub peer: SocketAddr,
    /// When it came.
    pub since: Instant,
    /// The stream that it was last about, for the API's byte counts.
    pub name: Option<StreamName>,
    /// Who it says it is.
    pub introduction: Introduction,
}

impl Conn {
    /// When the server must look after it, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        use crate::session::Session;
        if let Some((_, until)) = &self.ending {
            return Some((*until, "final response"));
        }
        let session = self.session.deadline();
        let role = self.role.until().map(|until| (until, "waiting for a stream"));
        let stall = self.stall.map(|stall| (stall.since + self.send_timeout, "send timeout"));
        [session, role, stall].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The stream whose files it fetches, also between two requests.
    pub fn fetches_from(&self) -> Option<&StreamName> {
        self.name.as_ref().filter(|_| self.introduction.kind == Some(ClientKind::HlsPlay))
    }

    /// Bytes left; the peer may be a slow one. True if it has become one just now: only that brings its
    /// deadline nearer.
    pub fn note_sent(&mut self, now: Instant, len: usize, room: bool, waiting: bool) -> bool {
        self.traffic.send(now, len);
        self.room = room;
        if room && !waiting {
            self.stall = None;
            return false;
        }
        let sent_bytes = self.traffic.sent_bytes();
        match &mut self.stall {
            Some(stall) if sent_bytes - stall.sent_bytes >= PROGRESS_BYTES_MIN => {
                *stall = Stall { since: now, sent_bytes };
                false
            }
            Some(_) => false,
            None => {
                self.stall = Some(Stall { since: now, sent_bytes });
                true
            }
        }
    }
}

/// All connections, by place and generation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conns {
    table: Table<Conn>,
    generations: Vec<u32>,
}

impl Conns {
    /// Inserts a connection; `make` gets its id.
    pub fn insert(&mut self, make: impl FnOnce(ConnId) -> Conn) -> ConnId {
        let index = self.table.next_place();
        if index == self.generations.len() {
            self.generations.push(0);
        }
        let id = ConnId {
            index: u32::try_from(index).expect("connections are limited"),
            generation: self.generations[index],
        };
        self.table.insert(make(id));
        id
    }

    /// The connection, if it still lives.
    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        self.table.get(id.index as usize).filter(|conn| conn.id == id)
    }

    /// The connection, if it still lives.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.table.get_mut(id.index as usize).filter(|conn| conn.id == id)
    }

    /// Takes the connection out; its place goes to a later one.
    pub fn remove(&mut self, id: ConnId) -> Option<Conn> {
        self.get(id)?;
        let index = id.index as usize;
        self.generations[index] = self.generations[index].wrapping_add(1);
        self.table.remove(index)
    }

    /// All connections in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.table.iter().map(|(_, conn)| conn)
    }

    /// A copy of those that `keep` wants.
    pub fn subset(&self, keep: impl Fn(&Conn) -> bool) -> Self {
        Conns { table: self.table.subset(keep), generations: self.generations.clone() }
    }

    /// True if everybody sits where its id says. What was saved and loaded may be anything.
    pub fn is_sound(&self) -> bool {
        self.table.iter().all(|(place, conn)| {
            conn.id.index as usize == place && self.generations.get(place) == Some(&conn.id.generation)
        }) && self.table.next_place() <= self.generations.len()
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
