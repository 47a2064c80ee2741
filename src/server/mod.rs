//! The server: one value that holds all sessions, streams and consumers.
//!
//! In: connections ([`Server::accept`]) and inputs ([`Server::handle`]), each with the time. Out: outputs
//! ([`Server::poll`]), bytes ([`Server::write`]) and the time of the next call ([`Server::deadline`]). The
//! same configuration, seed and inputs give the same outputs and bytes. Never: sockets, clock, files,
//! threads, entropy.
//!
//! `accept`, `handle` and `write` change the server; after each of them `poll` may have new outputs and must
//! be called until it returns `None`. [`Engine`] does this for every loop. The other methods only look.

mod admission;
mod ask;
mod check;
mod close;
mod context;
pub mod direct;
mod dispatch;
mod drain;
mod engine;
mod hosted;
mod input;
mod jobs;
mod output;
mod peer;
mod peer_mut;
mod play;
mod publish;
mod pump;
mod questions;
mod queues;
pub mod save;
mod stats;
mod stream_mut;
mod subset;
#[cfg(test)]
mod tests;
mod timers;
mod traffic;
pub mod usage;
mod write_budget;

pub use engine::{Engine, Monitor, Perform};
pub use input::{End, Input};
pub use output::{Job, Output, Taken};

use crate::base::id::{Cid, ConnId, ListenerId, Ticket};
use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::outbox::Outbox;
use crate::base::reason::Reason;
use crate::base::rng::{Rng, Seed};
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, Service};
use crate::session::ask::Introduction;
use crate::session::http::HttpSession;
use crate::session::rtmp::RtmpSession;
use crate::session::{AnySession, Cx, Reads};
use crate::status::{ClientKind, Identity};
use crate::stream::registry::{Registry, StreamKey};
use admission::Admission;
use context::Context;
use hosted::Hosted;
use jobs::Jobs;
use peer::{Link, Peer, Peers, Role, State, StreamLink, WriteState};
use peer_mut::PeerMut;
use queues::{Queues, Timer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stream_mut::StreamMut;
use traffic::Traffic;

/// The random generator of a connection from `peer` to `listener`, and the connection's id, which is the
/// first word that the generator gives.
fn cid(seed: &Seed, listener: ListenerId, peer: SocketAddr) -> (Rng, Cid) {
    let mut rng = seed.fork(format!("conn/{}/{peer}", listener.0).as_bytes());
    let cid = Cid(rng.random_word());
    (rng, cid)
}

/// When the server must be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The latest time of the call.
    pub at: Instant,
    /// What the call is for, for logs and assertions.
    pub why: &'static str,
}

/// The server. A clone shares payloads with the original; given the same inputs, both behave the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    cx: Context,
    /// The service of each listener. Fixed when the server is made: a reload changes no listener.
    services: Vec<Service>,
    peers: Peers,
    streams: Registry<Hosted>,
    queues: Queues,
    jobs: Jobs,
    admission: Admission,
    /// Peers that wait for a measurement.
    pending: BTreeMap<Ticket, ConnId>,
    finished: bool,
    /// Overload was logged; until this time it is not logged again.
    overload_told: Option<Instant>,
    traffic: Traffic,
}

impl Server {
    /// A server without peers. `now` and `epoch` are its first time, monotonic and wall; all random numbers
    /// follow from `seed`.
    pub fn new(config: Config, seed: Seed, now: Instant, epoch: Epoch) -> Self {
        let services = config.listeners().into_iter().map(|(_, service, _)| service).collect();
        let config = Arc::new(config);
        let identity = Identity::default();
        let mut server = Server {
            cx: Context { config, seed, epoch, now, pid: 0, identity, draining: None },
            services,
            peers: Peers::default(),
            streams: Registry::default(),
            queues: Queues::default(),
            jobs: Jobs::default(),
            admission: Admission::default(),
            pending: BTreeMap::new(),
            finished: false,
            overload_told: None,
            traffic: Traffic::new(now),
        };
        server.introduce();
        server
    }

    /// Accepts a connection from `peer` to `listener`. `None` if it is refused: a limit is reached, the
    /// server is draining, or there is no such listener.
    ///
    /// # Panics
    /// If `now` is earlier than the time of the last call (I13).
    pub fn accept(&mut self, now: Instant, listener: ListenerId, peer: SocketAddr) -> Option<ConnId> {
        self.set_now(now);
        let service = *self.services.get(usize::from(listener.0))?;
        // A new connection would delay the end of the drain.
        if self.cx.draining.is_some() {
            reached!("a connection was refused during a drain");
            return None;
        }
        let limit = self.cx.config.limits.connections;
        if self.peers.len() >= limit {
            reached!("a connection was refused by the limit of connections");
            log::warn!("limit reached: limits.connections = {}; refused {peer}", self.peers.len());
            return None;
        }
        let id = self.insert_peer(listener, service, peer);
        // Asserted only here: a reload may lower the limit below the number of open connections.
        assert!(self.peers.len() <= limit, "I17: connections");
        self.run_sessions();
        Some(id)
    }

    fn insert_peer(&mut self, listener: ListenerId, service: Service, addr: SocketAddr) -> ConnId {
        let Server { cx, peers, queues, .. } = self;
        let (mut rng, cid) = cid(&cx.seed, listener, addr);
        // HTTP writes a whole response at once; RTMP's own bytes are commands, which are small.
        let limits = &cx.config.limits;
        let mut outbox = match service {
            Service::Rtmp => Outbox::new(limits.outbox_bytes, Limit::OutboxBytes),
            Service::Http | Service::Api => Outbox::new(limits.response_bytes, Limit::ResponseBytes),
        };
        let mut session_cx = Cx {
            now: cx.now,
            epoch: cx.epoch,
            config: &cx.config,
            cid,
            peer: addr,
            identity: &cx.identity,
            rng: &mut rng,
            out: &mut outbox,
            asks: &mut queues.scratch,
        };
        let session = match service {
            Service::Rtmp => AnySession::Rtmp(Box::new(RtmpSession::new(&mut session_cx))),
            Service::Http | Service::Api => {
                AnySession::Http(Box::new(HttpSession::new(&mut session_cx, service)))
            }
        };
        let send_timeout = Duration::from_millis(cx.config.stream.play.send_timeout_ms);
        let inbox = Inbox::new(limits.unproven_bytes);
        let id = peers.insert(|id| Peer {
            id,
            link: Link::Stream(StreamLink::new(inbox, outbox, send_timeout)),
            role: Role::None,
            traffic: Traffic::new(cx.now),
            cid,
            armed: None,
            state: State::Open(session),
            rng,
            addr,
            since: cx.now,
            name: None,
            introduction: Introduction::default(),
        });
        log::debug!(cid:% = cid; "accepted {addr} for {service:?}");
        queues.asks.extend(queues.scratch.drain(..).map(|ask| (id, ask)));
        if let Some(mut peer) = self.peer(id) {
            peer.after_call();
        }
        id
    }

    /// The server's ids in the API.
    pub fn identity(&self) -> &Identity {
        &self.cx.identity
    }

    /// A view of one peer and of what a change of it may touch; `None` if the peer is gone.
    fn peer(&mut self, id: ConnId) -> Option<PeerMut<'_>> {
        let Server { cx, peers, queues, .. } = self;
        Some(PeerMut { peer: peers.get_mut(id)?, queues, cx })
    }

    /// A view of one stream, its peers and what a change of them may touch; `None` if the stream is gone.
    fn stream(&mut self, key: StreamKey) -> Option<StreamMut<'_>> {
        let Server { cx, peers, streams, queues, jobs, .. } = self;
        Some(StreamMut { key, hosted: streams.get_mut(key)?, peers, queues, jobs, cx })
    }

    /// Handles an input. Never fails: a peer's fault ends that peer and nothing else.
    ///
    /// # Panics
    /// If `now` is earlier than the time of the last call (I13). No input makes it panic.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.set_now(now);
        match input {
            Input::Tick => {}
            Input::Received { conn, bytes } => self.received(conn, bytes),
            Input::Writable { conn } => self.writable(conn),
            Input::Ended { conn, end: End::Eof } => self.peer_left(conn),
            Input::Ended { conn, end: End::Broken(how) } => self.close(conn, Reason::Broken(how)),
            Input::Measured { ticket, vitals } => self.measured(ticket, *vitals),
            Input::Stored { ticket, result } => self.stored(ticket, result),
            Input::Reload { config } => {
                self.cx.config = Arc::new(*config);
                self.introduce();
                log::info!("the configuration was reloaded; it applies to new connections and publishers");
            }
            Input::Drain => self.drain(),
        }
        // After the input, so that bytes that came just in time count.
        self.fire_timers();
        self.run_sessions();
        #[cfg(debug_assertions)]
        self.check();
    }

    /// The next output. Must be called until it returns `None` after every `accept`, `handle` and `write`.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.queues.outputs.pop_front() {
                return Some(output);
            }
            // Writes come last: by then every input has been handled, and one write carries more.
            let Some(conn) = self.queues.ready.pop() else { return self.poll_finished() };
            if self.offer(conn) {
                return Some(Output::Write { conn });
            }
        }
    }

    /// Writes for a connection, after [`Output::Write`]. `put` gets the bytes that wait, as slices for
    /// `writev` (the connection's own first, then frames), and returns how many were taken. They are counted
    /// before this returns, so that no input can come between the look at the bytes and the count. Does
    /// nothing if no [`Output::Write`] came before.
    ///
    /// # Errors
    /// The error of `put`. Nothing is counted; the next input must be [`Input::Ended`] for this connection.
    ///
    /// # Panics
    /// If `put` took more bytes than it was given, or `now` is earlier than the time of the last call (I13):
    /// bugs of the caller.
    pub fn write<E>(
        &mut self,
        now: Instant,
        conn: ConnId,
        put: impl FnOnce(&Slices<'_>) -> Result<Taken, E>,
    ) -> Result<(), E> {
        self.set_now(now);
        let offered = |peer: &Peer| {
            let Link::Stream(link) = &peer.link;
            link.write == WriteState::Offered
        };
        if !self.peers.get(conn).is_some_and(offered) {
            return Ok(());
        }
        let mut slices = Slices::default();
        self.show(conn, &mut slices);
        let shown = slices.len();
        // On an error nothing is counted: the connection ends in any case.
        let taken = put(&slices)?;
        assert!(taken.len <= shown, "{} bytes were sent, and {shown} were shown", taken.len);
        self.sent(conn, taken);
        // Before timers and sessions, which must not meet a connection that is to be closed.
        self.perform_closes();
        self.fire_timers();
        self.run_sessions();
        #[cfg(debug_assertions)]
        self.check();
        Ok(())
    }

    /// True if bytes wait to be sent to a connection.
    pub fn has_bytes(&self, conn: ConnId) -> bool {
        let mut slices = Slices::default();
        self.show(conn, &mut slices);
        !slices.is_empty()
    }

    fn show<'a>(&'a self, conn: ConnId, slices: &mut Slices<'a>) {
        let Some(peer) = self.peers.get(conn) else { return };
        let Link::Stream(link) = &peer.link;
        match &peer.role {
            Role::Playing { stream, cursor } => {
                if let Some(hosted) = self.streams.get(*stream) {
                    hosted.stream.window(cursor, &link.outbox, slices);
                }
            }
            _ => {
                link.outbox.show(slices);
            }
        }
    }

    /// Handles the result of background work of a consumer.
    fn stored(&mut self, ticket: Ticket, result: Result<(), String>) {
        if let Err(error) = &result {
            log::warn!("a file could not be written: {error}");
        }
        // The stream, or the consumer, may have gone while the work was done.
        let Some((key, consumer)) = self.jobs.done(ticket) else { return };
        if let Some(mut stream) = self.stream(key) {
            stream.stored(consumer, result);
        }
        // It may have been the last thing that held the stream.
        self.forget_stream(key);
    }

    /// The time of the last call.
    pub fn now(&self) -> Instant {
        self.cx.now
    }

    /// When `handle(now, Input::Tick)` is due at the latest, and what for. `None`: only an input can change
    /// anything. May change with every `accept`, `handle`, `poll` and `write`.
    pub fn deadline(&self) -> Option<Deadline> {
        // The budget of calls was spent: the rest of the work is due at once.
        if !self.queues.sessions.is_empty() {
            return Some(Deadline { at: self.cx.now, why: "peers with unread bytes" });
        }
        let (at, timer) = self.queues.timers.next()?;
        // A timer may be earlier than its deadline, since it is armed lazily.
        let why = match timer {
            Timer::Peer(conn) => self.peers.get(conn).and_then(Peer::deadline),
            Timer::Stream(stream) => self.streams.get(stream).and_then(Hosted::deadline),
            Timer::Drain => Some((at, "drain")),
        };
        Some(Deadline { at, why: why.map_or("a deadline that has moved", |(_, why)| why) })
    }

    /// The id of a connection in logs and in the API.
    pub fn cid(&self, conn: ConnId) -> Option<Cid> {
        Some(self.peers.get(conn)?.cid)
    }

    /// All connections, in the order of their indices.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> {
        self.peers.iter().map(|peer| peer.id)
    }

    /// How a connection reads what its peer sends next; `None` if the connection is gone.
    pub fn reads(&self, conn: ConnId) -> Option<Reads> {
        Some(self.peers.get(conn)?.state.reads())
    }

    /// What a connection does; `None` if that is not known yet or the connection is gone.
    pub fn client_kind(&self, conn: ConnId) -> Option<ClientKind> {
        self.peers.get(conn)?.introduction.kind
    }

    /// The stream that a connection publishes, plays or fetches; `None` if that is not known yet.
    pub fn about(&self, conn: ConnId) -> Option<&StreamName> {
        self.peers.get(conn)?.name.as_ref()
    }

    fn set_now(&mut self, now: Instant) {
        assert!(now >= self.cx.now, "time went back inside the server (I13)");
        self.cx.now = now;
    }
}
