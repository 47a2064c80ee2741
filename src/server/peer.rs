//! A peer: one end of a connection as the server keeps it.
//!
//! [`Peer`] holds what is the same for every transport: ids, session, role, traffic, end. [`Link`] holds what
//! depends on the transport: buffers, and whether bytes can be read and written.

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
use crate::session::{AnySession, Reads, Session};
use crate::status::ClientKind;
use crate::stream::cursor::Cursor;
use crate::stream::registry::StreamKey;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Most time that sending a final response may take; then the connection is closed.
pub const FINAL_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that takes fewer bytes than this within the send timeout is closed.
const PROGRESS_BYTES_MIN: u64 = 16 << 10;

/// One peer. `repr(C)` keeps the order of the fields: those that every write to a player touches come first
/// and share cache lines, since with thousands of players each line is fetched from memory again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename = "$connection")]
#[repr(C)]
pub struct Peer {
    /// Index and generation in [`Peers`].
    pub id: ConnId,
    /// What depends on the transport.
    pub link: Link,
    /// What the peer does with a stream.
    pub role: Role,
    /// Bytes received and sent.
    pub traffic: Traffic,
    /// Id in logs and in the API.
    pub cid: Cid,
    /// Time of the peer's timer; never later than [`Peer::deadline`] (I27).
    pub armed: Option<Instant>,
    /// The session, or the end of the peer.
    pub state: State,
    /// Random generator of the session.
    pub rng: Rng,
    /// Address.
    pub addr: SocketAddr,
    /// Time of the accept.
    pub since: Instant,
    /// The stream that it last published, played or fetched; its bytes count for that stream in the API.
    pub name: Option<StreamName>,
    /// What the peer says about itself.
    pub introduction: Introduction,
}

/// The state of a peer. Each state owns what exists only in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum State {
    /// The session runs.
    Open(AnySession),
    /// The final response is being sent; then the connection is closed.
    Ending {
        /// Why the connection ends.
        reason: Reason,
        /// The latest time of the close.
        until: Instant,
    },
}

impl State {
    /// How the bytes that the peer sends next are read.
    pub fn reads(&self) -> Reads {
        match self {
            State::Open(session) => session.reads(),
            State::Ending { .. } => Reads::Nothing,
        }
    }
}

/// What a peer does with a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Nothing.
    None,
    /// Waits for a decision on its request.
    Admitting {
        /// The request.
        request: Box<Request>,
        /// The request is refused at this time if there is no decision.
        until: Instant,
    },
    /// Publishes this stream.
    Publishing(StreamKey),
    /// Waits for a stream to begin.
    Waiting {
        /// The stream.
        stream: StreamKey,
        /// Format to play it in.
        format: Format,
        /// The request is refused at this time if the stream has not begun.
        until: Instant,
    },
    /// Plays a stream.
    Playing {
        /// The stream.
        stream: StreamKey,
        /// Position in the stream.
        cursor: Cursor,
    },
    /// Waits for a file of a stream.
    Fetching {
        /// The stream.
        stream: StreamKey,
        /// The file.
        file: HlsFile,
        /// The request is refused at this time if the file does not exist by then.
        until: Instant,
    },
}

/// What depends on the transport of a peer. Datagrams will be another kind of link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Link {
    /// A byte stream: TCP.
    Stream(StreamLink),
}

/// A byte stream in both directions. In the order of use, as [`Peer`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct StreamLink {
    /// Whether bytes can be sent.
    pub write: WriteState,
    /// Whether the session is queued to read.
    pub read: ReadState,
    /// False while the shell is asked not to read from the connection.
    pub reading: bool,
    /// Set while bytes wait to be sent and the peer is slow.
    pub stall: Option<Stall>,
    /// Most time without progress.
    pub send_timeout: Duration,
    /// Bytes of the session that wait to be sent.
    pub outbox: Outbox,
    /// Bytes that were received and wait for the session.
    pub inbox: Inbox,
}

/// Whether bytes can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteState {
    /// The socket has room, and no bytes are known to wait.
    Idle,
    /// The socket has room; the connection is in the ready list or waits for the next pass.
    Queued,
    /// The shell was asked to write for the connection.
    Offered,
    /// The socket has no room.
    Blocked,
}

/// Whether a session is queued to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadState {
    /// No bytes were received since it read last.
    Idle,
    /// It is queued; it is called if the inbox holds bytes by then.
    Queued,
    /// It has unfinished work and is queued to go on, even if the inbox is empty.
    Unfinished,
}

/// Bytes wait to be sent, and the peer takes them slowly.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stall {
    /// When it began; moved forward when [`PROGRESS_BYTES_MIN`] were sent.
    since: Instant,
    /// Total of sent bytes at that time.
    sent_bytes: u64,
}

impl Role {
    /// The stream of the role, if it has one.
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
    /// When the server must handle the peer at the latest, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let session = match &self.state {
            // The session is gone, and a slow peer has no other timeout.
            State::Ending { until, .. } => return Some((*until, "final response")),
            State::Open(session) => session.deadline(),
        };
        let Link::Stream(link) = &self.link;
        let stall = link.stalled_at().map(|at| (at, "send timeout"));
        [session, self.role.deadline(), stall].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// True if the final response is being sent.
    pub fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. })
    }

    /// The stream whose files the peer fetches, also between two requests.
    pub fn fetches_from(&self) -> Option<&StreamName> {
        self.name.as_ref().filter(|_| self.introduction.kind == Some(ClientKind::HlsPlay))
    }

    /// Bytes in inbox and outbox.
    pub fn bytes(&self) -> usize {
        let Link::Stream(link) = &self.link;
        link.inbox.len() + link.outbox.len()
    }
}

impl StreamLink {
    /// A link without traffic.
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

    /// True if the connection was idle: the caller must put it into a queue. It counts as queued from then
    /// on.
    pub fn joins_queue(&mut self) -> bool {
        let joins = self.write == WriteState::Idle;
        if joins {
            self.write = WriteState::Queued;
        }
        joins
    }

    /// When the send timeout passes; `None` if the peer is not slow.
    pub fn stalled_at(&self) -> Option<Instant> {
        self.stall.map(|stall| stall.since + self.send_timeout)
    }

    /// Notes a write, after which `sent_bytes` were sent in total and more wait if `waiting`. True if the
    /// peer has become slow with this write: only that brings its deadline nearer.
    pub fn note_sent(&mut self, now: Instant, sent_bytes: u64, waiting: bool) -> bool {
        // The kernel has all bytes: the peer keeps up.
        if self.write != WriteState::Blocked && !waiting {
            self.stall = None;
            return false;
        }
        match &mut self.stall {
            // Enough progress: the timeout begins anew. A peer that takes single bytes does not get this far.
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
    /// Adds the peer that `make` returns for its id.
    ///
    /// # Panics
    /// If there are 2^32 peers; `limits.connections` prevents it.
    pub fn insert(&mut self, make: impl FnOnce(ConnId) -> Peer) -> ConnId {
        let index = self.table.next_place();
        // The index was never used before.
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

    /// The peer; `None` if it is gone.
    pub fn get(&self, id: ConnId) -> Option<&Peer> {
        self.table.get(id.index as usize).filter(|peer| peer.id == id)
    }

    /// The peer; `None` if it is gone.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Peer> {
        self.table.get_mut(id.index as usize).filter(|peer| peer.id == id)
    }

    /// Removes the peer. A later peer gets its index with another generation.
    pub fn remove(&mut self, id: ConnId) -> Option<Peer> {
        self.get(id)?;
        let index = id.index as usize;
        // Ids of the removed peer become invalid: late inputs and timers must not reach the next one.
        self.generations[index] = self.generations[index].wrapping_add(1);
        self.table.remove(index)
    }

    /// All peers, in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.table.iter().map(|(_, peer)| peer)
    }

    /// The ids of all peers, in the order of their indices.
    pub fn ids(&self) -> Vec<ConnId> {
        self.iter().map(|peer| peer.id).collect()
    }

    /// A copy of the peers for which `keep` is true.
    pub fn subset(&self, keep: impl Fn(&Peer) -> bool) -> Self {
        Peers { table: self.table.subset(keep), generations: self.generations.clone() }
    }

    /// True if each peer stands at the index of its id. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        self.table.iter().all(|(index, peer)| {
            peer.id.index as usize == index && self.generations.get(index) == Some(&peer.id.generation)
        }) && self.table.next_place() <= self.generations.len()
    }

    /// Number of peers.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there are no peers.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
