//! The server: where sessions, streams and packages meet.
//!
//! One value without sockets, clock, files, threads or entropy. A shell tells it what happened
//! ([`Server::accept`], [`Server::handle`]), drains what it wants done ([`Server::poll`]) after every such
//! call, writes what [`Server::outbox`] shows, and waits until [`Server::deadline`] or until something
//! happens. Same configuration, seed and inputs: same outputs, to the bit.
//!
//! The four kinds of methods: `accept` and `handle` take from the world; `poll` gives to it, and may
//! have something new after every `accept` and `handle`; `outbox` and `deadline` look and do not touch.

mod ask;
#[cfg(debug_assertions)]
mod check;
mod conn;
mod drain;
mod input;
mod live;
mod output;
mod play;
mod publish;
mod pump;
mod report;
#[cfg(test)]
mod tests;
mod traffic;

pub use input::{End, Input};
pub use output::Output;

use crate::base::id::{Cid, ConnId, ListenerId, Ticket};
use crate::base::inbox::Inbox;
use crate::base::outbox::Outbox;
use crate::base::ready::ReadyList;
use crate::base::reason::Reason;
use crate::base::rng::Seed;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::base::timers::Timers;
use crate::config::{Config, Service};
use crate::session::ask::{Answer, Ask, Introduction};
use crate::session::http::HttpSession;
use crate::session::rtmp::RtmpSession;
use crate::session::{AnySession, Cx, Session};
use crate::stream::router::{Router, StreamKey};
use conn::{Conn, Conns, LAST_WORDS, Role};
use live::Live;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use traffic::Traffic;

/// Most calls of sessions' `receive` in one `handle` (I19); who has more to say goes on in the next.
const TURNS_MAX: usize = 4096;

/// Who a timer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The server.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    /// What each listener speaks. Fixed at birth: a reload moves no listener.
    services: Vec<Service>,
    seed: Seed,
    epoch: Epoch,
    now: Instant,
    conns: Conns,
    streams: Router<Live>,
    timers: Timers<Timer>,
    ready: ReadyList,
    outputs: VecDeque<Output>,
    /// What sessions asked for and was not performed yet.
    asks: VecDeque<(ConnId, Ask)>,
    /// The list that is lent to sessions; empty between calls.
    scratch: VecDeque<Ask>,
    /// Connections that want to go on reading their inbox.
    pokes: VecDeque<ConnId>,
    tickets: u64,
    /// The process that this is, once the shell has told.
    pid: u32,
    /// Who waits for a measurement.
    measures: BTreeMap<Ticket, ConnId>,
    /// Set once a drain has begun.
    draining: Option<Instant>,
    finished: bool,
    traffic: Traffic,
}

impl Server {
    /// A server without peers. Seed and time are given once, at birth; everything random or timed follows
    /// from them.
    pub fn new(config: Config, seed: Seed, now: Instant, epoch: Epoch) -> Self {
        Server {
            services: config.listeners().into_iter().map(|(_, service, _)| service).collect(),
            config: Arc::new(config),
            seed,
            epoch,
            now,
            conns: Conns::default(),
            streams: Router::default(),
            timers: Timers::default(),
            ready: ReadyList::default(),
            outputs: VecDeque::new(),
            asks: VecDeque::new(),
            scratch: VecDeque::new(),
            pokes: VecDeque::new(),
            tickets: 0,
            pid: 0,
            measures: BTreeMap::new(),
            draining: None,
            finished: false,
            traffic: Traffic::new(now),
        }
    }

    /// A peer has come to `listener`. `None`: refused, since a limit is reached or the server is draining.
    pub fn accept(&mut self, now: Instant, listener: ListenerId, peer: SocketAddr) -> Option<ConnId> {
        self.advance(now);
        let service = *self.services.get(usize::from(listener.0))?;
        if self.draining.is_some() {
            return None;
        }
        if self.conns.len() >= self.config.limits.connections {
            log::warn!("limit reached: limits.connections = {}; {peer} was turned away", self.conns.len());
            return None;
        }
        let id = self.seat(listener, service, peer);
        self.settle_down();
        Some(id)
    }

    fn seat(&mut self, listener: ListenerId, service: Service, peer: SocketAddr) -> ConnId {
        let mut rng = self.seed.fork(format!("conn/{}/{peer}", listener.0).as_bytes());
        let cid = Cid(rng.word());
        let limits = &self.config.limits;
        let mut outbox = Outbox::new(match service {
            Service::Rtmp => limits.outbox_bytes,
            Service::Http | Service::Api => limits.response_bytes,
        });
        let mut cx = Cx {
            now: self.now,
            epoch: self.epoch,
            config: &self.config,
            cid,
            peer,
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
            poked: false,
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

    /// Something happened. Never fails: a peer's fault ends that peer, and nothing else.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.advance(now);
        match input {
            Input::Tick => {}
            Input::Received { conn, bytes } => self.received(conn, bytes),
            Input::Sent { conn, len, room } => self.sent(conn, len, room),
            Input::Writable { conn } => self.writable(conn),
            Input::Ended { conn, end: End::Eof } => self.peer_left(conn),
            Input::Ended { conn, end: End::Broken(how) } => self.close(conn, Reason::Broken(how)),
            Input::Measured { ticket, vitals } => self.measured(ticket, *vitals),
            Input::Stored { result: Err(error), .. } => log::warn!("a file could not be written: {error}"),
            Input::Stored { result: Ok(()), .. } => {}
            // Asked for by nothing that is built so far; late answers are harmless.
            Input::Datagram { .. }
            | Input::Connected { .. }
            | Input::Resolved { .. }
            | Input::Loaded { .. }
            | Input::Exited { .. } => {}
            Input::Reload { config } => {
                self.config = Arc::new(*config);
                log::info!("the configuration was reloaded; it holds for new connections and publishers");
            }
            Input::Drain => self.drain(),
        }
        self.fire_timers();
        self.settle_down();
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
            if self.offer(conn) {
                return Some(Output::Write { conn });
            }
        }
    }

    /// The bytes that wait for a connection, as slices for `writev`: its own first, then its window on a
    /// rendered log. The shell looks and does not touch; it reports the count as [`Input::Sent`].
    pub fn outbox<'a>(&'a self, conn: ConnId, slices: &mut Slices<'a>) {
        let Some(conn) = self.conns.get(conn) else { return };
        match &conn.role {
            Role::Playing { stream, cursor } => {
                if let Some(live) = self.streams.get(*stream) {
                    live.stream.window(cursor, &conn.outbox, slices);
                }
            }
            _ => {
                let _all = conn.outbox.slices().all(|slice| slices.push(slice));
            }
        }
    }

    /// When `handle(now, Input::Tick)` is due at the latest, and on whose behalf.
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.pokes.is_empty() {
            return Some(Deadline { at: self.now, why: "peers with unread bytes" });
        }
        let (at, timer) = self.timers.next()?;
        let why = match timer {
            Timer::Conn(conn) => self.conns.get(conn).and_then(Conn::deadline),
            Timer::Stream(stream) => self.streams.get(stream).and_then(Live::deadline),
            Timer::Drain => Some((at, "drain")),
        };
        Some(Deadline { at, why: why.map_or("a deadline that has moved", |(_, why)| why) })
    }

    fn advance(&mut self, now: Instant) {
        assert!(now >= self.now, "time went back inside the server (I13)");
        self.now = now;
    }

    fn received(&mut self, id: ConnId, mut bytes: &[u8]) {
        let now = self.now;
        self.traffic.receive(now, bytes.len());
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.traffic.receive(now, bytes.len());
        if let Some(live) = conn.role.stream().and_then(|stream| self.streams.get_mut(stream)) {
            live.traffic.receive(now, bytes.len());
        }
        while !bytes.is_empty() {
            let Some(conn) = self.conns.get_mut(id) else { return };
            if conn.ending.is_some() {
                return;
            }
            let room = conn.inbox.limit().saturating_sub(conn.inbox.len());
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            if piece.is_empty() {
                self.finish(id, Reason::Limit("more unread input than this connection may hold"));
                return;
            }
            let fits = conn.inbox.receive(piece);
            assert!(fits, "the inbox has the room that it said it has (I16)");
            bytes = rest;
            self.poke(id);
            self.settle_down();
        }
    }

    /// `conn` wants its session to look at its inbox.
    fn poke(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.poked
        {
            conn.poked = true;
            self.pokes.push_back(id);
        }
    }

    /// Performs what was asked and lets sessions read on, until nothing is left or the budget is spent.
    fn settle_down(&mut self) {
        for _ in 0..TURNS_MAX {
            while let Some((id, ask)) = self.asks.pop_front() {
                self.perform(id, ask);
            }
            let Some(id) = self.pokes.pop_front() else { return };
            self.turn(id);
        }
    }

    /// One call of a session's `receive`.
    fn turn(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.poked = false;
        if conn.ending.is_some() || conn.inbox.is_empty() {
            return;
        }
        let more = self.call(id, |session, cx, inbox| session.receive(cx, inbox));
        if more == Some(true) {
            self.poke(id);
        }
    }

    /// Calls a session and looks after what it did. `None` if it is gone, or ended by this.
    fn call<T>(
        &mut self,
        id: ConnId,
        act: impl FnOnce(&mut AnySession, &mut Cx<'_>, &mut Inbox) -> Result<T, Reason>,
    ) -> Option<T> {
        let conn = self.conns.get_mut(id)?;
        let mut cx = Cx {
            now: self.now,
            epoch: self.epoch,
            config: &self.config,
            cid: conn.cid,
            peer: conn.peer,
            rng: &mut conn.rng,
            out: &mut conn.outbox,
            asks: &mut self.scratch,
        };
        let result = act(&mut conn.session, &mut cx, &mut conn.inbox);
        self.take_asks(id);
        match result {
            Ok(value) => {
                self.after_call(id);
                Some(value)
            }
            Err(reason) => {
                // What it asked before it failed still counts: frames before a broken message are good.
                self.asks.push_back((id, Ask::Bye(reason)));
                self.after_call(id);
                None
            }
        }
    }

    fn take_asks(&mut self, id: ConnId) {
        self.asks.extend(self.scratch.drain(..).map(|ask| (id, ask)));
    }

    /// After a session was called: bytes to write, its deadline, its limits.
    fn after_call(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.outbox.overflowed() && conn.ending.is_none() {
            self.close(id, Reason::Limit("limits.outbox_bytes or limits.response_bytes"));
            return;
        }
        let waiting = conn.outbox.len();
        let read = waiting <= conn.outbox.limit() / 2;
        if read != conn.reading {
            conn.reading = read;
            self.outputs.push_back(Output::Read { conn: id, on: read });
        }
        if waiting > 0 {
            self.mark_ready(id);
        }
        self.arm(id);
    }

    /// Tells a session something; its inbox is looked at again afterwards.
    fn answer(&mut self, id: ConnId, answer: Answer) {
        if self.conns.get(id).is_none_or(|conn| conn.ending.is_some()) {
            return;
        }
        self.call(id, |session, cx, _| session.answer(cx, answer));
        self.poke(id);
    }

    /// Keeps the connection's timer no later than its deadline. Deadlines that move away are noticed when
    /// the timer fires: a peer that keeps talking costs no timer work.
    fn arm(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let wanted = conn.deadline().map(|(at, _)| at);
        if let Some(at) = wanted
            && conn.armed.is_none_or(|armed| at < armed)
        {
            conn.armed = Some(at);
            self.timers.set(Timer::Conn(id), Some(at));
        }
    }

    fn arm_stream(&mut self, key: StreamKey) {
        let Some(live) = self.streams.get_mut(key) else { return };
        let wanted = live.deadline().map(|(at, _)| at);
        if let Some(at) = wanted
            && live.armed.is_none_or(|armed| at < armed)
        {
            live.armed = Some(at);
            self.timers.set(Timer::Stream(key), Some(at));
        }
    }

    fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Conn(id) => self.fire_conn(id),
                Timer::Stream(key) => self.fire_stream(key),
                Timer::Drain => self.drain_is_over(),
            }
        }
    }

    fn fire_conn(&mut self, id: ConnId) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.armed = None;
        if conn.deadline().is_none_or(|(at, _)| at > now) {
            self.arm(id);
            return;
        }
        if let Some((reason, _)) = &conn.ending {
            let reason = reason.clone();
            self.close(id, reason);
        } else if conn.stall.is_some_and(|stall| stall.since + conn.send_timeout <= now) {
            self.close(id, Reason::Timeout("the peer takes its bytes too slowly"));
        } else if self.patience_is_over(id) {
            self.arm(id);
        } else {
            self.call(id, |session, cx, _| session.tick(cx));
            self.arm(id);
        }
    }

    /// Begins the end of a connection: it leaves its stream, its last words leave, then it is closed.
    fn finish(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let until = self.now + LAST_WORDS;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.ending.is_some() {
            return;
        }
        conn.ending = Some((reason.clone(), until));
        if conn.outbox.is_empty() && !conn.offered {
            self.close(id, reason);
        } else {
            self.mark_ready(id);
            self.arm(id);
        }
    }

    /// The peer closed its side. A player has left; another peer may still read the answer to what it said.
    fn peer_left(&mut self, id: ConnId) {
        match self.conns.get(id).map(|conn| &conn.role) {
            Some(Role::Playing { .. }) => self.close(id, Reason::PeerLeft),
            Some(_) => self.finish(id, Reason::PeerLeft),
            None => {}
        }
    }

    /// The end of a connection. Whatever referred to it forgets it (I21).
    fn close(&mut self, id: ConnId, reason: Reason) {
        self.leave_stream(id, &reason);
        let Some(conn) = self.conns.remove(id) else { return };
        self.timers.set(Timer::Conn(id), None);
        let gently = conn.outbox.is_empty() && !matches!(reason, Reason::Broken(_));
        self.outputs.push_back(Output::Close { conn: id, gently });
        // A fault that came before the peer left explains more than its leaving.
        let reason = conn.ending.map_or(reason, |(first, _)| first);
        let level = if reason.is_fault() { log::Level::Warn } else { log::Level::Info };
        let (received, sent) = (conn.traffic.received_bytes(), conn.traffic.sent_bytes());
        let seconds = self.now.since(conn.since).as_secs_f32();
        let role = if conn.introduction.role.is_empty() { "peer" } else { conn.introduction.role };
        let level = if role == "peer" && level == log::Level::Info { log::Level::Debug } else { level };
        log::log!(level, cid:% = conn.cid; "{role} {} is gone: {reason} ({seconds:.1} s, {received} bytes in, {sent} bytes out)", conn.peer);
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}
