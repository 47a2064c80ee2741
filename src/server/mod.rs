//! The server: where sessions, streams and packages meet.
//!
//! One value without sockets, clock, files, threads or entropy. A shell tells it what happened
//! ([`Server::accept`], [`Server::handle`]), does what it wants ([`Server::poll`]) after every such call, writes
//! where it says so ([`Server::write`]), and waits until [`Server::deadline`] or until something happens. Same configuration, seed and inputs: same outputs, to the bit.
//!
//! The four kinds of methods: `accept` and `handle` take from the world; `poll` gives to it, and may
//! have something new after every `accept` and `handle`; `outbox` and `deadline` look and do not touch.

mod ask;
mod check;
mod close;
mod conn;
pub mod direct;
mod dispatch;
mod drain;
mod engine;
mod hosted;
mod input;
mod output;
mod play;
mod publish;
mod pump;
mod questions;
pub mod save;
mod stats;
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
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::base::rng::{Rng, Seed};
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::base::timers::Timers;
use crate::config::{Config, Service};
use crate::session::ask::{Ask, Introduction};
use crate::session::http::HttpSession;
use crate::session::rtmp::RtmpSession;
use crate::session::{AnySession, Cx};
use crate::status::{ClientKind, Identity};
use crate::stream::registry::{Registry, StreamKey};
use conn::{Conn, Conns, Role};
use hosted::Hosted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use traffic::Traffic;

/// The random generator of a connection from `peer` to `listener`, and the id that it draws first.
pub fn cid(seed: &Seed, listener: ListenerId, peer: SocketAddr) -> (Rng, Cid) {
    let mut rng = seed.fork(format!("conn/{}/{peer}", listener.0).as_bytes());
    let cid = Cid(rng.random_word());
    (rng, cid)
}

/// Who a timer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Timer {
    /// A connection: its session's deadline, its patience, its send timeout.
    Conn(ConnId),
    /// A stream: a flush, the end of lingering, the disposal of its files.
    Stream(StreamKey),
    /// The end of a drain.
    Drain,
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
    #[serde(with = "crate::config::as_text")]
    config: Arc<Config>,
    /// What each listener speaks. Fixed at birth: a reload moves no listener.
    services: Vec<Service>,
    seed: Seed,
    epoch: Epoch,
    now: Instant,
    conns: Conns,
    streams: Registry<Hosted>,
    timers: Timers<Timer>,
    ready: ReadyList,
    outputs: VecDeque<Output>,
    /// What sessions asked for and was not performed yet.
    asks: VecDeque<(ConnId, Ask)>,
    /// The list that is lent to sessions; empty between calls.
    #[serde(skip)]
    scratch: VecDeque<Ask>,
    /// Connections that want to go on reading their inbox.
    woken: VecDeque<ConnId>,
    tickets: u64,
    /// The process that this is, once the shell has told.
    pid: u32,
    /// Follows from the configuration, the seed and `pid`.
    #[serde(skip)]
    identity: Identity,
    /// Who waits for a measurement.
    pending: BTreeMap<Ticket, ConnId>,
    /// Set once a drain has begun.
    draining: Option<Instant>,
    finished: bool,
    /// Until then it was said already that there is more to do than time.
    overload_told: Option<Instant>,
    traffic: Traffic,
}

impl Server {
    /// A server without peers. Seed and time are given once, at birth; everything random or timed follows
    /// from them.
    pub fn new(config: Config, seed: Seed, now: Instant, epoch: Epoch) -> Self {
        let mut server = Server {
            services: config.listeners().into_iter().map(|(_, service, _)| service).collect(),
            config: Arc::new(config),
            seed,
            epoch,
            now,
            conns: Conns::default(),
            streams: Registry::default(),
            timers: Timers::default(),
            ready: ReadyList::default(),
            outputs: VecDeque::new(),
            asks: VecDeque::new(),
            scratch: VecDeque::new(),
            woken: VecDeque::new(),
            tickets: 0,
            pid: 0,
            identity: Identity::default(),
            pending: BTreeMap::new(),
            draining: None,
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
        if self.draining.is_some() {
            reached!("a peer came during a drain");
            return None;
        }
        if self.conns.len() >= self.config.limits.connections {
            reached!("a peer was turned away by the limit of connections");
            log::warn!("limit reached: limits.connections = {}; {peer} was turned away", self.conns.len());
            return None;
        }
        let id = self.insert_conn(listener, service, peer);
        // Nowhere else: a reload may lower the limit below what is there already.
        assert!(self.conns.len() <= self.config.limits.connections, "I17: connections");
        self.run_sessions();
        Some(id)
    }

    fn insert_conn(&mut self, listener: ListenerId, service: Service, peer: SocketAddr) -> ConnId {
        let (mut rng, cid) = cid(&self.seed, listener, peer);
        let limits = &self.config.limits;
        let mut outbox = match service {
            Service::Rtmp => Outbox::new(limits.outbox_bytes, Limit::OutboxBytes),
            Service::Http | Service::Api => Outbox::new(limits.response_bytes, Limit::ResponseBytes),
        };
        let mut cx = Cx {
            now: self.now,
            epoch: self.epoch,
            config: &self.config,
            cid,
            peer,
            identity: &self.identity,
            rng: &mut rng,
            out: &mut outbox,
            asks: &mut self.scratch,
        };
        let session = match service {
            Service::Rtmp => AnySession::Rtmp(Box::new(RtmpSession::new(&mut cx))),
            Service::Http | Service::Api => AnySession::Http(Box::new(HttpSession::new(&mut cx, service))),
        };
        let now = self.now;
        let send_timeout = Duration::from_millis(self.config.stream.play.send_timeout_ms);
        let id = self.conns.insert(|id| Conn {
            id,
            peer,
            cid,
            session,
            inbox: Inbox::new(limits.unproven_bytes),
            outbox,
            rng,
            role: Role::None,
            introduction: Introduction::default(),
            name: None,
            room: true,
            queued: false,
            offered: false,
            woken: false,
            unfinished: false,
            reading: true,
            ending: None,
            stall: None,
            armed: None,
            traffic: Traffic::new(now),
            since: now,
            send_timeout,
        });
        log::debug!(cid:% = cid; "{peer} has come to {service:?}");
        self.take_asks(id);
        self.after_call(id);
        id
    }

    /// Which server this is, as its API tells it.
    pub fn identity(&self) -> &Identity {
        &self.identity
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
            Input::Stored { result: Err(error), .. } => log::warn!("a file could not be written: {error}"),
            Input::Stored { result: Ok(()), .. } => {}
            Input::Reload { config } => {
                self.config = Arc::new(*config);
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
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let Some(conn) = self.ready.pop() else { return self.poll_finished() };
            if self.within_budget(conn) && self.offer(conn) {
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
        if !self.conns.get(conn).is_some_and(|conn| conn.offered) {
            return Ok(());
        }
        let mut slices = Slices::default();
        self.show(conn, &mut slices);
        let shown = slices.len();
        let taken = put(&slices)?;
        assert!(taken.len <= shown, "{} bytes were sent, and {shown} were shown", taken.len);
        self.sent(conn, taken);
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
        let Some(conn) = self.conns.get(conn) else { return };
        match &conn.role {
            Role::Playing { stream, cursor } => {
                if let Some(hosted) = self.streams.get(*stream) {
                    hosted.stream.window(cursor, &conn.outbox, slices);
                }
            }
            _ => {
                conn.outbox.show(slices);
            }
        }
    }

    /// The time of the last call.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When `handle(now, Input::Tick)` is due at the latest, and on whose behalf.
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.woken.is_empty() {
            return Some(Deadline { at: self.now, why: "peers with unread bytes" });
        }
        let (at, timer) = self.timers.next()?;
        let why = match timer {
            Timer::Conn(conn) => self.conns.get(conn).and_then(Conn::deadline),
            Timer::Stream(stream) => self.streams.get(stream).and_then(Hosted::deadline),
            Timer::Drain => Some((at, "drain")),
        };
        Some(Deadline { at, why: why.map_or("a deadline that has moved", |(_, why)| why) })
    }

    /// The word that stands on a connection's log lines.
    pub fn cid(&self, conn: ConnId) -> Option<Cid> {
        Some(self.conns.get(conn)?.cid)
    }

    /// Everybody who is connected, in the order of their places.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> {
        self.conns.iter().map(|conn| conn.id)
    }

    /// What a connection does; `None` before it has said so.
    pub fn client_kind(&self, conn: ConnId) -> Option<ClientKind> {
        self.conns.get(conn)?.introduction.kind
    }

    /// The stream that a connection is about, as far as it has said.
    pub fn about(&self, conn: ConnId) -> Option<&StreamName> {
        self.conns.get(conn)?.name.as_ref()
    }

    fn set_now(&mut self, now: Instant) {
        assert!(now >= self.now, "time went back inside the server (I13)");
        self.now = now;
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}
