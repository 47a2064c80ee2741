//! A peer: what every transport has of it (who it is, its session, what it does with streams, how it ends),
//! and apart from that its link, which is what its transport has.

use crate::base::id::{Cid, ConnId};
use crate::base::inbox::Inbox;
use crate::base::name::StreamName;
use crate::base::outbox::Outbox;
use crate::base::reason::Reason;
use crate::base::rng::Rng;
use crate::base::table::Table;
use crate::base::time::Instant;
use crate::server::admission::Request;
use crate::server::traffic::Traffic;
use crate::session::ask::Introduction;
use crate::session::{AnySession, Session};
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
const PROGRESS_BYTES_MIN: u64 = 16 << 10;

/// One peer. Laid out as written: what every write to a player touches comes first and stands close together,
/// since with thousands of players each line of memory is one that has to be fetched again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct Peer {
    /// Its index and generation.
    pub id: ConnId,
    /// Its transport.
    pub link: Link,
    /// What it does with a stream.
    pub role: Role,
    /// Bytes so far.
    pub traffic: Traffic,
    /// Its id in logs and in the API.
    pub cid: Cid,
    /// When the server wakes up for it; never later than [`Peer::deadline`] (I27).
    pub armed: Option<Instant>,
    /// Whether its session still runs.
    pub state: State,
    /// Its random generator.
    pub rng: Rng,
    /// Where it is.
    pub addr: SocketAddr,
    /// When it came.
    pub since: Instant,
    /// The stream that it was last about, for the API's byte counts.
    pub name: Option<StreamName>,
    /// What it says of itself.
    pub introduction: Introduction,
}

/// How far a peer has come. Each state owns what exists in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum State {
    /// Its session runs.
    Open(AnySession),
    /// Its final response is leaving; then it is closed.
    Ending {
        /// Why.
        reason: Reason,
        /// When it is closed at the latest.
        until: Instant,
    },
}

/// What a peer does with a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Nothing.
    None,
    /// It waits to be admitted to what it has asked for.
    Admitting {
        /// What it has asked for.
        request: Box<Request>,
        /// When it is refused at the latest.
        until: Instant,
    },
    /// It publishes this stream.
    Publishing(StreamKey),
    /// It waits for a stream to begin.
    Waiting {
        /// Which stream.
        stream: StreamKey,
        /// In which format it will play.
        format: Format,
        /// When it is refused at the latest.
        until: Instant,
    },
    /// It plays a stream.
    Playing {
        /// Which stream.
        stream: StreamKey,
        /// Its place in it.
        cursor: Cursor,
    },
    /// It waits for a file of a stream.
    Fetching {
        /// Which stream.
        stream: StreamKey,
        /// Which file.
        file: HlsFile,
        /// When it is refused at the latest.
        until: Instant,
    },
}

/// What a transport has of a peer. Datagrams will be another kind of link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Link {
    /// A byte stream: TCP.
    Stream(StreamLink),
}

/// A byte stream in both directions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct StreamLink {
    /// Whether bytes can leave.
    pub write: WriteState,
    /// Whether its session is to look at what came.
    pub read: ReadState,
    /// False while the shell was asked not to read from it.
    pub reading: bool,
    /// Since when bytes wait that do not leave fast enough.
    pub stall: Option<Stall>,
    /// How long that may go on.
    pub send_timeout: Duration,
    /// Own bytes that wait to leave.
    pub outbox: Outbox,
    /// Bytes that came and wait.
    pub inbox: Inbox,
}

/// Whether bytes can leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteState {
    /// There is room, and nothing is known to wait.
    Idle,
    /// There is room, and it stands in the ready list or among those that wait for the next pass.
    Queued,
    /// The shell was told to write for it.
    Offered,
    /// The kernel has no room.
    Blocked,
}

/// Whether a session is to look at what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadState {
    /// Nothing has come since it looked last.
    Idle,
    /// It is queued, if there is anything in the inbox by then.
    Queued,
    /// It has stopped in the middle of its work and is queued to go on, whatever is in the inbox.
    Unfinished,
}

/// Bytes wait that do not leave fast enough.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stall {
    /// Since when; moved forward by progress that is worth the name.
    since: Instant,
    /// Bytes sent in all when it began.
    sent_bytes: u64,
}

impl Role {
    /// The stream that it is about.
    pub fn stream(&self) -> Option<StreamKey> {
        match self {
            Role::None | Role::Admitting { .. } => None,
            Role::Publishing(stream)
            | Role::Waiting { stream, .. }
            | Role::Playing { stream, .. }
            | Role::Fetching { stream, .. } => Some(*stream),
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        match self {
            Role::Admitting { until, .. } => Some((*until, "admission")),
            Role::Waiting { until, .. } => Some((*until, "waiting for a stream")),
            Role::Fetching { until, .. } => Some((*until, "waiting for a file")),
            Role::None | Role::Publishing(_) | Role::Playing { .. } => None,
        }
    }
}

impl Peer {
    /// When the server must look after it, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let session = match &self.state {
            State::Ending { until, .. } => return Some((*until, "final response")),
            State::Open(session) => session.deadline(),
        };
        let Link::Stream(link) = &self.link;
        let stall = link.stalled_at().map(|at| (at, "send timeout"));
        [session, self.role.deadline(), stall].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// True if its final response is leaving.
    pub fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. })
    }

    /// The stream whose files it fetches, also between two requests.
    pub fn fetches_from(&self) -> Option<&StreamName> {
        self.name.as_ref().filter(|_| self.introduction.kind == Some(ClientKind::HlsPlay))
    }

    /// Bytes that it holds of its own, in both directions.
    pub fn bytes(&self) -> usize {
        let Link::Stream(link) = &self.link;
        link.inbox.len() + link.outbox.len()
    }
}

impl StreamLink {
    /// A link that nothing has passed yet.
    pub fn new(inbox: Inbox, outbox: Outbox, send_timeout: Duration) -> Self {
        StreamLink {
            write: WriteState::Idle,
            read: ReadState::Idle,
            reading: true,
            stall: None,
            send_timeout,
            outbox,
            inbox,
        }
    }

    /// True if it is to join a queue of those that have bytes and room; it is in one from then on.
    pub fn joins_queue(&mut self) -> bool {
        let joins = self.write == WriteState::Idle;
        if joins {
            self.write = WriteState::Queued;
        }
        joins
    }

    /// When its peer is too slow to be kept.
    pub fn stalled_at(&self) -> Option<Instant> {
        self.stall.map(|stall| stall.since + self.send_timeout)
    }

    /// Bytes left, `sent_bytes` in all so far; more wait, or not. True if the peer has become a slow one just
    /// now: only that brings its deadline nearer.
    pub fn note_sent(&mut self, now: Instant, sent_bytes: u64, waiting: bool) -> bool {
        if self.write != WriteState::Blocked && !waiting {
            self.stall = None;
            return false;
        }
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

/// All peers, by index and generation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Peers {
    table: Table<Peer>,
    generations: Vec<u32>,
}

impl Peers {
    /// Adds a peer; `make` gets its id.
    pub fn insert(&mut self, make: impl FnOnce(ConnId) -> Peer) -> ConnId {
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

    /// The peer, if it is still there.
    pub fn get(&self, id: ConnId) -> Option<&Peer> {
        self.table.get(id.index as usize).filter(|peer| peer.id == id)
    }

    /// The peer, if it is still there.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Peer> {
        self.table.get_mut(id.index as usize).filter(|peer| peer.id == id)
    }

    /// Takes the peer out; its index goes to a later one.
    pub fn remove(&mut self, id: ConnId) -> Option<Peer> {
        self.get(id)?;
        let index = id.index as usize;
        self.generations[index] = self.generations[index].wrapping_add(1);
        self.table.remove(index)
    }

    /// All peers in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.table.iter().map(|(_, peer)| peer)
    }

    /// The ids of all peers in the order of their indices.
    pub fn ids(&self) -> Vec<ConnId> {
        self.iter().map(|peer| peer.id).collect()
    }

    /// A copy of those that `keep` wants.
    pub fn subset(&self, keep: impl Fn(&Peer) -> bool) -> Self {
        Peers { table: self.table.subset(keep), generations: self.generations.clone() }
    }

    /// True if each stands where its id says. What was saved and loaded may be anything.
    pub fn is_sound(&self) -> bool {
        self.table.iter().all(|(index, peer)| {
            peer.id.index as usize == index && self.generations.get(index) == Some(&peer.id.generation)
        }) && self.table.next_place() <= self.generations.len()
    }

    /// Number of peers.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
