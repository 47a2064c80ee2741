//! The playing side: gives a recording to a server again, and says where what comes out is not what came out
//! then.
//!
//! In: entries in the order of time. Out: the run itself, for an [`Observer`] to watch, and the differences.
//! With [`Kernel::Recorded`] the server is told exactly what it was told, to the microsecond and to the
//! write; with [`Kernel::Open`] every write is taken whole and the clock ticks whenever the server wants it,
//! so that a list of nothing but peers' words is a run too.
//!
//! Entries may be missing: a word to a connection that never came is passed over, and a write that the
//! recording says nothing about is taken whole. So any part of a recording is a recording.

mod compare;
mod observer;

pub use observer::{Difference, Observer, Summary};

use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config;
use crate::record::digest_cache::DigestCache;
use crate::record::event::{ConnNo, Entry, Event};
use crate::record::file::{Contents, Fault, Header, Kernel, Start};
use crate::record::rolling_hash::RollingHash;
use crate::record::tape::request_text;
use crate::server::{Input, Output, Server};
use crate::status::Vitals;
use std::collections::{BTreeMap, VecDeque};

/// A connection of the recording.
#[derive(Debug)]
struct Place {
    /// Who it is in this run.
    conn: ConnId,
    open: bool,
    sent: RollingHash,
    /// How many bytes it was sent when they were last known to be the same as then.
    same_bytes: u64,
    differs: bool,
}

/// A server that is given a recording.
#[derive(Debug)]
pub struct Replay {
    server: Server,
    kernel: Kernel,
    now: Instant,
    places: BTreeMap<ConnNo, Place>,
    numbers: BTreeMap<ConnId, ConnNo>,
    /// Entries of one moment that were not played yet.
    window: VecDeque<Entry>,
    /// True while more entries may follow.
    goes_on: bool,
    requests: RollingHash,
    requests_differ: bool,
    /// Questions of the server that the open kernel has still to answer.
    unanswered: VecDeque<Output>,
    finished: bool,
    /// What many connections are sent is looked at once.
    digests: DigestCache,
    summary: Summary,
}

impl Replay {
    /// The server that a recording begins with, newborn or saved.
    pub fn begin(contents: &Contents) -> Result<Self, Fault> {
        let header = &contents.header;
        match (header.start, &contents.saved) {
            (Start::Birth, _) => Replay::new(header),
            (Start::Saved, Some(saved)) => Replay::from_saved(header, saved),
            (Start::Saved, None) => Err(Fault::Saved("it is missing".to_owned())),
            (Start::Part, _) => Err(Fault::Part(header.part)),
        }
    }

    /// A saved server ([`Server::save`]), which goes on from when it was saved.
    pub fn from_saved(header: &Header, saved: &[u8]) -> Result<Self, Fault> {
        let server = Server::load(saved).map_err(|unloadable| Fault::Saved(unloadable.to_string()))?;
        let now = server.now().max(header.start_at());
        Ok(Replay::of(server, header.kernel, now))
    }

    /// The next part of the recording begins: what is noticed of outputs begins anew there. The server goes
    /// on, whatever saved one the part begins with.
    pub fn next_part(&mut self) {
        self.requests = RollingHash::default();
    }

    /// A newborn server, as the header says.
    pub fn new(header: &Header) -> Result<Self, Fault> {
        let server = Server::new(header.config()?, header.seed()?, header.start_at(), Epoch(header.epoch_us));
        Ok(Replay::of(server, header.kernel, header.start_at()))
    }

    /// A replay that goes on from `server`, whose time is `now`.
    pub fn of(server: Server, kernel: Kernel, now: Instant) -> Self {
        Replay {
            server,
            kernel,
            now,
            places: BTreeMap::new(),
            numbers: BTreeMap::new(),
            window: VecDeque::new(),
            goes_on: true,
            requests: RollingHash::default(),
            requests_differ: false,
            unanswered: VecDeque::new(),
            finished: false,
            digests: DigestCache::default(),
            summary: Summary::default(),
        }
    }

    /// The server as it is now.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// True once the server has finished draining.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// What was done so far.
    pub fn summary(&self) -> Summary {
        Summary { end: self.now, ..self.summary }
    }

    /// Plays all entries.
    pub fn run(&mut self, entries: impl IntoIterator<Item = Entry>, observer: &mut dyn Observer) {
        let mut entries = entries.into_iter().peekable();
        self.goes_on = true;
        while let Some(first) = entries.next() {
            // Nothing goes back in time; a list that was put together by hand may.
            let at = first.at.max(self.now);
            self.pass(at, observer);
            self.window.push_back(first);
            while let Some(entry) = entries.next_if(|entry| entry.at <= at) {
                self.window.push_back(entry);
            }
            self.goes_on = entries.peek().is_some();
            while let Some(entry) = self.window.pop_front() {
                self.play(at, entry.event, observer);
            }
        }
        self.goes_on = false;
    }

    /// Lets time pass until `until`. With an open kernel the clock ticks whenever the server wants it.
    pub fn pass(&mut self, until: Instant, observer: &mut dyn Observer) {
        if self.kernel == Kernel::Open {
            while let Some(deadline) = self.server.deadline().filter(|deadline| deadline.at <= until) {
                let at = self.now.max(deadline.at);
                self.tell(at, &Event::Tick, Input::Tick, observer);
            }
        }
        self.now = self.now.max(until);
    }

    fn play(&mut self, at: Instant, event: Event, observer: &mut dyn Observer) {
        let conn = event.conn_no().and_then(|conn_no| self.places.get(&conn_no)).map(|place| place.conn);
        match &event {
            Event::Accepted { listener, peer, conn_no } => {
                self.now = at;
                observer.happened(at, &event);
                self.summary.inputs += 1;
                let conn = self.server.accept(at, *listener, *peer);
                match (conn, conn_no) {
                    (Some(conn), Some(conn_no)) => self.opened(conn, *conn_no, observer),
                    (None, Some(conn_no)) => {
                        self.differ(
                            Some(*conn_no),
                            "was let in then and is turned away now".to_owned(),
                            observer,
                        );
                    }
                    (Some(_), None) => {
                        self.differ(None, format!("{peer} was turned away then and is let in now"), observer);
                    }
                    (None, None) => {}
                }
                self.perform_outputs(observer);
                observer.after_input(at, &self.server);
            }
            Event::Resumed { conn_no, conn } => match self.places.get_mut(conn_no) {
                // It was there in the part before, and is who it is in this run.
                Some(place) => (place.sent, place.same_bytes) = (RollingHash::default(), 0),
                None => self.opened(*conn, *conn_no, observer),
            },
            Event::Tick => self.tell(at, &event, Input::Tick, observer),
            Event::Drain => self.tell(at, &event, Input::Drain, observer),
            Event::Received { bytes, .. } => {
                let Some(conn) = conn else { return };
                self.summary.received_bytes += bytes.len() as u64;
                self.tell(at, &event, Input::Received { conn, bytes }, observer);
            }
            Event::Sent { conn_no, len, .. } if self.kernel == Kernel::Recorded && conn.is_some() => {
                let what = format!("{len} bytes were written then, and nothing now");
                self.differ(Some(*conn_no), what, observer);
            }
            Event::Sent { .. } => {}
            Event::Writable { .. } => {
                let Some(conn) = conn else { return };
                self.tell(at, &event, Input::Writable { conn }, observer);
            }
            Event::Ended { end, .. } => {
                let Some(conn) = conn else { return };
                self.tell(at, &event, Input::Ended { conn, end: end.clone() }, observer);
            }
            Event::Stored { ticket, result } => {
                let input = Input::Stored { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, observer);
            }
            Event::Measured { ticket, vitals } => {
                let input = Input::Measured { ticket: *ticket, vitals: vitals.clone() };
                self.tell(at, &event, input, observer);
            }
            Event::Reload { config } => match config::load(config, "the recording's configuration", &[]) {
                Ok(config) => self.tell(at, &event, Input::Reload { config: Box::new(config) }, observer),
                Err(error) => {
                    let what = format!("a reload does not suit this build: {}", error.in_one_line());
                    self.differ(None, what, observer);
                }
            },
            Event::Closed { conn_no, .. } => {
                if self.kernel == Kernel::Recorded && self.places.get(conn_no).is_some_and(|place| place.open)
                {
                    self.differ(Some(*conn_no), "was closed then and is not now".to_owned(), observer);
                }
            }
            Event::Checked { conn_no, sent } => self.check(*conn_no, *sent, observer),
            Event::Requested { requests } => {
                observer.checked(self.now, &Event::Requested { requests: self.requests });
                if self.kernel == Kernel::Recorded && !self.requests_differ && *requests != self.requests {
                    self.requests_differ = true;
                    let what = "other files or measurements were requested then".to_owned();
                    self.differ(None, what, observer);
                }
            }
        }
    }

    fn opened(&mut self, conn: ConnId, conn_no: ConnNo, observer: &mut dyn Observer) {
        self.summary.conns += 1;
        self.numbers.insert(conn, conn_no);
        let sent = RollingHash::default();
        self.places.insert(conn_no, Place { conn, open: true, sent, same_bytes: 0, differs: false });
        observer.opened(self.now, conn_no, conn, &self.server);
    }

    fn tell(&mut self, at: Instant, event: &Event, input: Input<'_>, observer: &mut dyn Observer) {
        self.now = at;
        observer.happened(at, event);
        self.summary.inputs += 1;
        self.server.handle(at, input);
        self.perform_outputs(observer);
        observer.after_input(at, &self.server);
    }

    fn perform_outputs(&mut self, observer: &mut dyn Observer) {
        loop {
            while let Some(output) = self.server.poll() {
                self.summary.outputs += 1;
                match output {
                    Output::Write { conn } => self.write(conn, observer),
                    other => self.request(other, observer),
                }
            }
            let Some(request) = self.unanswered.pop_front() else { return };
            let input = match request {
                Output::Measure { ticket } => Input::Measured { ticket, vitals: Box::new(Vitals::default()) },
                Output::Store { ticket, .. } => Input::Stored { ticket, result: Ok(()) },
                _ => continue,
            };
            self.summary.inputs += 1;
            self.server.handle(self.now, input);
        }
    }

    /// What the kernel made of a write: the entry that says so, if there is one for this moment.
    fn answer(&mut self, conn_no: ConnNo) -> Option<Event> {
        let about = |event: &Event| match event {
            Event::Sent { conn_no: other, .. }
            | Event::Ended { conn_no: other, .. }
            | Event::Received { conn_no: other, .. }
            | Event::Writable { conn_no: other } => *other == conn_no,
            _ => false,
        };
        let place = self.window.iter().position(|entry| about(&entry.event))?;
        let is_answer = matches!(self.window[place].event, Event::Sent { .. } | Event::Ended { .. });
        is_answer.then(|| self.window.remove(place)).flatten().map(|entry| entry.event)
    }

    fn write(&mut self, conn: ConnId, observer: &mut dyn Observer) {
        let (now, conn_no) = (self.now, self.numbers.get(&conn).copied());
        let answer = match (self.kernel, conn_no) {
            (Kernel::Recorded, Some(conn_no)) => self.answer(conn_no),
            _ => None,
        };
        let mut slices = Slices::default();
        self.server.outbox(conn, &mut slices);
        let offered = slices.len();
        let (taken, room, wanted) = match &answer {
            Some(Event::Sent { len, room, check, .. }) => {
                let len = *len as usize;
                (len.min(offered), *room, Some((len, *check)))
            }
            Some(ended) => {
                observer.happened(now, ended);
                let Event::Ended { end, .. } = ended else { return };
                self.summary.inputs += 1;
                return self.server.handle(now, Input::Ended { conn, end: end.clone() });
            }
            None => (offered, true, None),
        };
        let mut left = taken;
        if let Some(conn_no) = conn_no
            && let Some(place) = self.places.get_mut(&conn_no)
        {
            for (slice, shared) in slices.iter() {
                let piece = &slice[..left.min(slice.len())];
                match shared {
                    Some(whole) if whole.len() == piece.len() => {
                        place.sent.append(self.digests.digest(whole));
                    }
                    _ => place.sent.extend(piece),
                }
                observer.sent(now, conn_no, piece);
                left -= piece.len();
            }
        }
        if let Some(conn_no) = conn_no
            && let Some(place) = self.places.get(&conn_no)
        {
            let len = u32::try_from(taken).expect("one write is limited");
            observer.happened(now, &Event::Sent { conn_no, len, room, check: place.sent.short() });
        }
        self.summary.sent_bytes += taken as u64;
        self.summary.inputs += 1;
        if let Some(conn_no) = conn_no {
            self.compare(conn_no, wanted, offered, observer);
        }
        self.server.handle(now, Input::Sent { conn, len: taken, room });
    }

    fn request(&mut self, output: Output, observer: &mut dyn Observer) {
        let conn = match &output {
            Output::Close { conn, .. } | Output::Read { conn, .. } => Some(*conn),
            _ => None,
        };
        let conn_no = conn.and_then(|conn| self.numbers.get(&conn).copied());
        observer.requested(self.now, conn_no, &output);
        match output {
            Output::Close { conn, linger } => self.close(conn, linger, observer),
            Output::Finished => self.finished = true,
            other => {
                let numbers = &self.numbers;
                let conn_no_at =
                    |index| numbers.iter().find(|(conn, _)| conn.index == index).map(|(_, conn_no)| *conn_no);
                self.requests.extend(request_text(&other, conn_no_at).as_bytes());
                if self.kernel == Kernel::Open {
                    self.unanswered.push_back(other);
                }
            }
        }
    }
}
