//! The server: where sessions, streams and packages meet.
//!
//! One value without sockets, clock, files, threads or entropy. A shell tells it what happened
//! ([`Server::accept`], [`Server::handle`]), does what it wants ([`Server::poll`]) after every such call,
//! writes where it says so ([`Server::write`]), and waits until [`Server::deadline`] or until something
//! happens. Same configuration, seed and inputs: same outputs, to the bit.
//!
//! The four kinds of methods: `accept` and `handle` take from the world; `poll` gives to it, and may
//! have something new after every `accept` and `handle`; `outbox` and `deadline` look and do not touch.

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
mod vid;
mod write_budget;

pub use engine::{Engine, Monitor, Perform};
pub use input::{End, Input};
pub use output::{Job, Output, Taken};
pub use vid::{stream_vid, vid};

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
use crate::session::{AnySession, Cx};
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

/// The random generator of a connection from `peer` to `listener`, and the id that it draws first.
pub fn cid(seed: &Seed, listener: ListenerId, peer: SocketAddr) -> (Rng, Cid) {
    let mut rng = seed.fork(format!("conn/{}/{peer}", listener.0).as_bytes());
    let cid = Cid(rng.random_word());
    (rng, cid)
}

/// When the server wants to be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// At this time at the latest.
    pub at: Instant,
    /// On whose behalf, for people.
    pub why: &'static str,
}

/// The server. A clone shares the payloads with it, and goes on like it when it is told the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    cx: Context,
    /// What each listener speaks. Fixed at birth: a reload moves no listener.
    services: Vec<Service>,
    peers: Peers,
    streams: Registry<Hosted>,
    queues: Queues,
    jobs: Jobs,
    admission: Admission,
    /// Peers that wait for a measurement.
    pending: BTreeMap<Ticket, ConnId>,
    finished: bool,
    /// Until then it was said already that there is more to do than time.
    overload_told: Option<Instant>,
    traffic: Traffic,
}

impl Server {
    /// A server without peers. Seed and time are given once, at birth; everything random or timed follows
    /// from them.
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

    /// A peer has come to `listener`. `None`: refused, since a limit is reached or the server is draining.
    pub fn accept(&mut self, now: Instant, listener: ListenerId, peer: SocketAddr) -> Option<ConnId> {
        self.set_now(now);
        let service = *self.services.get(usize::from(listener.0))?;
        if self.cx.draining.is_some() {
            reached!("a peer came during a drain");
            return None;
        }
        let limit = self.cx.config.limits.connections;
        if self.peers.len() >= limit {
            reached!("a peer was turned away by the limit of connections");
            log::warn!("limit reached: limits.connections = {}; {peer} was turned away", self.peers.len());
            return None;
        }
        let id = self.insert_peer(listener, service, peer);
        // Nowhere else: a reload may lower the limit below what is there already.
        assert!(self.peers.len() <= limit, "I17: connections");
        self.run_sessions();
        Some(id)
    }

    fn insert_peer(&mut self, listener: ListenerId, service: Service, addr: SocketAddr) -> ConnId {
        let Server { cx, peers, queues, .. } = self;
        let (mut rng, cid) = cid(&cx.seed, listener, addr);
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
        log::debug!(cid:% = cid; "{addr} has come to {service:?}");
        queues.asks.extend(queues.scratch.drain(..).map(|ask| (id, ask)));
        if let Some(mut peer) = self.peer(id) {
            peer.after_call();
        }
        id
    }

    /// Which server this is, as its API tells it.
    pub fn identity(&self) -> &Identity {
        &self.cx.identity
    }

    /// One peer, with what a change of it may touch.
    fn peer(&mut self, id: ConnId) -> Option<PeerMut<'_>> {
        let Server { cx, peers, queues, .. } = self;
        Some(PeerMut { peer: peers.get_mut(id)?, queues, cx })
    }

    /// One stream and the peers around it, with what a change of them may touch.
    fn stream(&mut self, key: StreamKey) -> Option<StreamMut<'_>> {
        let Server { cx, peers, streams, queues, jobs, .. } = self;
        Some(StreamMut { key, hosted: streams.get_mut(key)?, peers, queues, jobs, cx })
    }

    /// Something happened. Never fails: a peer's fault ends that peer, and nothing else.
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
                log::info!("the configuration was reloaded; it holds for new connections and publishers");
            }
            Input::Drain => self.drain(),
        }
        self.fire_timers();
        self.run_sessions();
        #[cfg(debug_assertions)]
        self.check();
    }

    /// What the world should do next. Drain until `None` after every `accept` and `handle`.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.queues.outputs.pop_front() {
                return Some(output);
            }
            let Some(conn) = self.queues.ready.pop() else { return self.poll_finished() };
            if self.offer(conn) {
                return Some(Output::Write { conn });
            }
        }
    }

    /// Writes for a connection, after [`Output::Write`]: `put` gets the bytes that wait, as slices for
    /// `writev` (the connection's own first, then its window on a rendition), and says how many of them were
    /// taken. These are counted before this returns, so no input can come between what was shown and what is
    /// counted. Without such an output before, nothing happens.
    ///
    /// # Errors
    /// That of `put`. Nothing was counted then; the connection must be told as ended next.
    ///
    /// # Panics
    /// If `put` says that more bytes were taken than it was shown: a bug in the shell.
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
        let taken = put(&slices)?;
        assert!(taken.len <= shown, "{} bytes were sent, and {shown} were shown", taken.len);
        self.sent(conn, taken);
        self.perform_closes();
        self.fire_timers();
        self.run_sessions();
        #[cfg(debug_assertions)]
        self.check();
        Ok(())
    }

    /// True if bytes wait for a connection.
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

    /// Background work of a consumer is done.
    fn stored(&mut self, ticket: Ticket, result: Result<(), String>) {
        if let Err(error) = &result {
            log::warn!("a file could not be written: {error}");
        }
        let Some((key, consumer)) = self.jobs.done(ticket) else { return };
        if let Some(mut stream) = self.stream(key) {
            stream.stored(consumer, result);
        }
    }

    /// The time of the last call.
    pub fn now(&self) -> Instant {
        self.cx.now
    }

    /// When `handle(now, Input::Tick)` is due at the latest, and on whose behalf.
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.queues.sessions.is_empty() {
            return Some(Deadline { at: self.cx.now, why: "peers with unread bytes" });
        }
        let (at, timer) = self.queues.timers.next()?;
        let why = match timer {
            Timer::Peer(conn) => self.peers.get(conn).and_then(Peer::deadline),
            Timer::Stream(stream) => self.streams.get(stream).and_then(Hosted::deadline),
            Timer::Drain => Some((at, "drain")),
        };
        Some(Deadline { at, why: why.map_or("a deadline that has moved", |(_, why)| why) })
    }

    /// The word that stands on a connection's log lines.
    pub fn cid(&self, conn: ConnId) -> Option<Cid> {
        Some(self.peers.get(conn)?.cid)
    }

    /// Everybody who is connected, in the order of their places.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> {
        self.peers.iter().map(|peer| peer.id)
    }

    /// What a connection does; `None` before it has said so.
    pub fn client_kind(&self, conn: ConnId) -> Option<ClientKind> {
        self.peers.get(conn)?.introduction.kind
    }

    /// The stream that a connection is about, as far as it has said.
    pub fn about(&self, conn: ConnId) -> Option<&StreamName> {
        self.peers.get(conn)?.name.as_ref()
    }

    fn set_now(&mut self, now: Instant) {
        assert!(now >= self.cx.now, "time went back inside the server (I13)");
        self.cx.now = now;
    }
}
