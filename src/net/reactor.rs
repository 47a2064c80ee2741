//! The loop: waits for the world, tells the server, does what the server wants.
//!
//! One thread, edge-triggered. A pass samples the clock once, takes what the poll brought, accepts and
//! reads within budgets so that no peer starves another, and drains the server's outputs after every
//! input. Files are looked after by a helper thread; its results come back as
//! inputs. Nothing here decides anything about media.

use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::{LISTENERS_MAX, Service};
use crate::net::clock::Clock;
use crate::net::closing::Closing;
use crate::net::conn::{self, Conn, Got, Put};
use crate::net::listener::{Accepted, Listener};
use crate::net::recorder::Recorder;
use crate::net::sendfile::Pages;
use crate::net::world::{Wish, World};
use crate::server::{End, Input, Output, Server};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Most events of one poll.
const EVENTS_MAX: usize = 1024;

/// Most connections that one listener accepts in a pass.
const ACCEPTS_MAX: usize = 256;

/// Most bytes that are read from one connection in a pass; the rest waits for the next.
const READ_BUDGET_BYTES: usize = 256 << 10;

/// How long to wait before accepting again when there are no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Listeners have the tokens below this; then come the world, connections that are closing, connections.
pub(super) const WAKER: Token = Token(LISTENERS_MAX);
pub(super) const SIGNALS: Token = Token(LISTENERS_MAX + 1);
const CLOSING_FIRST: usize = LISTENERS_MAX + 2;
const CONN_FIRST: usize = CLOSING_FIRST + crate::net::closing::CLOSING_MAX;

/// The loop and all that it drives.
pub struct Reactor {
    poll: Poll,
    clock: Clock,
    server: Server,
    listeners: Vec<Listener>,
    /// By the server's place for them.
    conns: Vec<Option<Conn>>,
    /// Connections that may have bytes to read, in the order in which they got them.
    line: VecDeque<ConnId>,
    closing: Closing,
    pages: Pages,
    world: World,
    recorder: Recorder,
    buffer: Vec<u8>,
    /// When to accept again after the file descriptors ran out.
    accept_at: Option<Instant>,
    finished: bool,
}

impl Reactor {
    /// A loop around `server`, which listens already.
    pub fn new(
        poll: Poll,
        clock: Clock,
        server: Server,
        mut listeners: Vec<Listener>,
        pages: Pages,
        world: World,
        recorder: Recorder,
    ) -> io::Result<Self> {
        assert!(listeners.len() <= LISTENERS_MAX, "the configuration limits the listeners");
        for (place, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(&mut listener.socket, Token(place), Interest::READABLE)?;
        }
        Ok(Reactor {
            poll,
            clock,
            server,
            listeners,
            conns: Vec::new(),
            line: VecDeque::new(),
            closing: Closing::new(CLOSING_FIRST),
            pages,
            world,
            recorder,
            buffer: vec![0; conn::READ_BYTES],
            accept_at: None,
            finished: false,
        })
    }

    /// What is listened to, with the ports that were given.
    pub fn bound(&self) -> Vec<(Service, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.service, listener.addr)).collect()
    }

    /// Turns until the server has finished draining.
    pub fn run(mut self) -> io::Result<()> {
        let introduction = self.world.introduction();
        self.tell(self.clock.now(), introduction);
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.finished {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.pass(&events);
        }
        self.recorder.finish(self.clock.now());
        self.world.finish();
        Ok(())
    }

    /// How long nothing needs to be done unless something happens.
    fn timeout(&self) -> Option<Duration> {
        let acceptable = || self.listeners.iter().any(|listener| listener.acceptable);
        let results = self.world.has_results();
        if !self.line.is_empty() || results || self.accept_at.is_none() && acceptable() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let server = self.server.deadline().map(|deadline| deadline.at);
        let (closing, pages) = (self.closing.deadline(), self.pages.deadline());
        let next =
            [server, self.accept_at, closing, pages, self.recorder.deadline()].into_iter().flatten().min()?;
        // Rounded up to whole milliseconds: epoll would wake up early and turn in vain.
        let ms = next.since(now).as_micros().div_ceil(1000);
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    fn pass(&mut self, events: &Events) {
        let now = self.clock.now();
        for event in events {
            self.take(event, now);
        }
        while let Some(input) = self.world.next_result() {
            self.tell(now, input);
        }
        self.recorder.take_orders(&self.server, now, || self.clock.now());
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
        }
        self.accept(now);
        self.read(now);
        if self.server.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.tell(now, Input::Tick);
        }
        self.closing.expire(now);
        self.pages.sweep(now);
        self.recorder.turn(&self.server, now, || self.clock.now());
    }

    fn take(&mut self, event: &Event, now: Instant) {
        match event.token() {
            // What the helper threads have done is taken once in every pass.
            WAKER => {}
            SIGNALS => {
                while let Some(wish) = self.world.next_signal() {
                    match wish {
                        Wish::Tell(input) => self.tell(now, input),
                        Wish::Quit => self.finished = true,
                        Wish::Done => {}
                    }
                }
            }
            Token(place) if place < LISTENERS_MAX => self.listeners[place].acceptable = true,
            Token(place) if place < CONN_FIRST => self.closing.ready(place),
            Token(place) => self.take_conn(event, place - CONN_FIRST, now),
        }
    }

    fn take_conn(&mut self, event: &Event, place: usize, now: Instant) {
        let Some(Some(conn)) = self.conns.get_mut(place) else { return };
        let id = conn.id;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            conn.readable = true;
            conn.finished |= event.is_read_closed();
            if conn.reading && !conn.queued {
                conn.queued = true;
                self.line.push_back(id);
            }
        }
        if event.is_writable() && std::mem::take(&mut conn.full) {
            self.tell(now, Input::Writable { conn: id });
        }
    }

    fn accept(&mut self, now: Instant) {
        if self.accept_at.is_some() {
            return;
        }
        for place in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.listeners[place].acceptable {
                    break;
                }
                match self.listeners[place].accept() {
                    Accepted::Peer(stream, peer) => self.admit(place, stream, peer, now),
                    Accepted::Nobody => self.listeners[place].acceptable = false,
                    Accepted::Gone => {}
                    Accepted::Exhausted(error) => {
                        log::warn!(
                            "cannot accept connections for now: {error}; raise the limit of open files \
                             (ulimit -n) or lower limits.connections"
                        );
                        self.accept_at = Some(now + EXHAUSTED_PAUSE);
                        return;
                    }
                }
            }
        }
    }

    fn admit(&mut self, place: usize, mut stream: mio::net::TcpStream, peer: SocketAddr, now: Instant) {
        // Commands are answered in one write, frames leave with one: none may wait for the acknowledgement
        // of the one before, which takes a round trip.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("{peer} went away while it was let in: {error}");
            return;
        }
        let listener = self.listeners[place].id;
        let id = self.server.accept(now, listener, peer);
        self.recorder.accepted(&self.server, now, listener, peer, id);
        let Some(id) = id else {
            self.drain(now);
            return;
        };
        let index = id.index as usize;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(CONN_FIRST + index), interest) {
            self.tell(now, Input::Ended { conn: id, end: End::Broken(conn::describe(&error)) });
            return;
        }
        self.seat(Conn {
            id,
            stream,
            readable: true,
            finished: false,
            reading: true,
            full: false,
            queued: true,
        });
        self.line.push_back(id);
        self.drain(now);
    }

    fn seat(&mut self, conn: Conn) {
        let index = conn.id.index as usize;
        if index >= self.conns.len() {
            self.conns.resize_with(index + 1, || None);
        }
        self.conns[index] = Some(conn);
    }

    /// Reads from everybody in line once, within the budget.
    fn read(&mut self, now: Instant) {
        for _ in 0..self.line.len() {
            let Some(id) = self.line.pop_front() else { return };
            let mut budget = READ_BUDGET_BYTES;
            while let Some(conn) = self.conn(id) {
                if !conn.readable || !conn.reading {
                    conn.queued = false;
                    break;
                }
                if budget == 0 {
                    self.line.push_back(id);
                    break;
                }
                let len = self.read_once(id, now);
                budget = budget.saturating_sub(len);
            }
        }
    }

    /// One read and what follows from it. Returns the number of bytes.
    fn read_once(&mut self, id: ConnId, now: Instant) -> usize {
        let mut buffer = std::mem::take(&mut self.buffer);
        let got = self.conn(id).map_or(Got::Nothing, |conn| conn.read(&mut buffer));
        let (len, input) = match got {
            Got::More(len) => (len, Some(Input::Received { conn: id, bytes: &buffer[..len] })),
            Got::All(len) => {
                self.not_readable(id);
                (len, Some(Input::Received { conn: id, bytes: &buffer[..len] }))
            }
            Got::Nothing => {
                self.not_readable(id);
                (0, None)
            }
            Got::Eof => {
                self.not_readable(id);
                (0, Some(Input::Ended { conn: id, end: End::Eof }))
            }
            Got::Broken(how) => {
                self.not_readable(id);
                (0, Some(Input::Ended { conn: id, end: End::Broken(how) }))
            }
        };
        if let Some(input) = input {
            self.tell(now, input);
        }
        self.buffer = buffer;
        len
    }

    fn not_readable(&mut self, id: ConnId) {
        if let Some(conn) = self.conn(id) {
            conn.readable = false;
        }
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id.index as usize)?.as_mut().filter(|conn| conn.id == id)
    }

    /// Tells the server what happened and does all that it wants done because of it.
    fn tell(&mut self, now: Instant, input: Input<'_>) {
        self.hand_in(now, input);
        self.drain(now);
    }

    fn hand_in(&mut self, now: Instant, input: Input<'_>) {
        self.recorder.input(&self.server, now, &input);
        self.server.handle(now, input);
        self.recorder.after_input(&self.server);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.server.poll() {
            self.recorder.output(now, &output);
            match output {
                Output::Write { conn } => self.write(conn, now),
                Output::Read { conn, on } => self.set_reading(conn, on),
                Output::Close { conn, linger } => self.close(conn, linger, now),
                Output::Finished => self.finished = true,
                other => self.world.start(other),
            }
        }
    }

    fn write(&mut self, id: ConnId, now: Instant) {
        let Some(Some(conn)) = self.conns.get_mut(id.index as usize) else { return };
        let mut slices = Slices::default();
        self.server.outbox(id, &mut slices);
        match conn.write(&slices, &mut self.pages, now) {
            Put::Taken(len, room) => {
                self.recorder.sent(now, id, &slices, len, room);
                self.server.handle(now, Input::Sent { conn: id, len, room });
                self.recorder.after_input(&self.server);
            }
            Put::Broken(how) => self.hand_in(now, Input::Ended { conn: id, end: End::Broken(how) }),
        }
    }

    fn set_reading(&mut self, id: ConnId, on: bool) {
        let Some(conn) = self.conn(id) else { return };
        conn.reading = on;
        if on && conn.readable && !conn.queued {
            conn.queued = true;
            self.line.push_back(id);
        }
    }

    fn close(&mut self, id: ConnId, linger: bool, now: Instant) {
        let Some(slot) = self.conns.get_mut(id.index as usize) else { return };
        let Some(mut conn) = slot.take_if(|conn| conn.id == id) else { return };
        if linger {
            conn.say_goodbye();
            self.closing.adopt(self.poll.registry(), conn.stream, now);
        } else if let Err(error) = self.poll.registry().deregister(&mut conn.stream) {
            log::debug!("a connection could not be taken out of the poll: {error}");
        }
    }
}
