//! The playing side: gives a recording to a server again, and says where what comes out is not what came out
//! then.
//!
//! In: entries in the order of time. Out: the run itself, for a [`Witness`] to watch, and the differences.
//! With [`Kernel::Recorded`] the server is told exactly what it was told, to the microsecond and to the
//! write; with [`Kernel::Open`] every write is taken whole and the clock ticks whenever the server wants it,
//! so that a list of nothing but peers' words is a run too.
//!
//! Entries may be missing: a word to a connection that never came is passed over, and a write that the
//! recording says nothing about is taken whole. So any part of a recording is a recording.

mod compare;
mod witness;

pub use witness::{Difference, Summary, Witness};

use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config;
use crate::record::file::{Contents, Fault, Header, Kernel, Start};
use crate::record::known::Known;
use crate::record::list::{Entry, Event, Seat};
use crate::record::rolling_hash::RollingHash;
use crate::record::tape::wish_words;
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
    places: BTreeMap<Seat, Place>,
    seats: BTreeMap<ConnId, Seat>,
    /// Entries of one moment that were not played yet.
    window: VecDeque<Entry>,
    /// True while more entries may follow.
    goes_on: bool,
    wishes: RollingHash,
    wishes_differ: bool,
    /// Questions of the server that the open kernel has still to answer.
    questions: VecDeque<Output>,
    finished: bool,
    /// What many connections are sent is looked at once.
    known: Known,
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
        self.wishes = RollingHash::default();
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
            seats: BTreeMap::new(),
            window: VecDeque::new(),
            goes_on: true,
            wishes: RollingHash::default(),
            wishes_differ: false,
            questions: VecDeque::new(),
            finished: false,
            known: Known::default(),
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
    pub fn run(&mut self, entries: impl IntoIterator<Item = Entry>, witness: &mut dyn Witness) {
        let mut entries = entries.into_iter().peekable();
        self.goes_on = true;
        while let Some(first) = entries.next() {
            // Nothing goes back in time; a list that was put together by hand may.
            let at = first.at.max(self.now);
            self.pass(at, witness);
            self.window.push_back(first);
            while let Some(entry) = entries.next_if(|entry| entry.at <= at) {
                self.window.push_back(entry);
            }
            self.goes_on = entries.peek().is_some();
            while let Some(entry) = self.window.pop_front() {
                self.play(at, entry.event, witness);
            }
        }
        self.goes_on = false;
    }

    /// Lets time pass until `until`. With an open kernel the clock ticks whenever the server wants it.
    pub fn pass(&mut self, until: Instant, witness: &mut dyn Witness) {
        if self.kernel == Kernel::Open {
            while let Some(deadline) = self.server.deadline().filter(|deadline| deadline.at <= until) {
                let at = self.now.max(deadline.at);
                self.tell(at, &Event::Tick, Input::Tick, witness);
            }
        }
        self.now = self.now.max(until);
    }

    fn play(&mut self, at: Instant, event: Event, witness: &mut dyn Witness) {
        let conn = event.seat().and_then(|seat| self.places.get(&seat)).map(|place| place.conn);
        match &event {
            Event::Accepted { listener, peer, seat } => {
                self.now = at;
                witness.happened(at, &event);
                self.summary.inputs += 1;
                let conn = self.server.accept(at, *listener, *peer);
                match (conn, seat) {
                    (Some(conn), Some(seat)) => self.seat(conn, *seat, witness),
                    (None, Some(seat)) => {
                        self.differ(
                            Some(*seat),
                            "was let in then and is turned away now".to_owned(),
                            witness,
                        );
                    }
                    (Some(_), None) => {
                        self.differ(None, format!("{peer} was turned away then and is let in now"), witness);
                    }
                    (None, None) => {}
                }
                self.drain(witness);
                witness.settled(at, &self.server);
            }
            Event::Seated { seat, conn } => match self.places.get_mut(seat) {
                // It was there in the part before, and is who it is in this run.
                Some(place) => (place.sent, place.same_bytes) = (RollingHash::default(), 0),
                None => self.seat(*conn, *seat, witness),
            },
            Event::Tick => self.tell(at, &event, Input::Tick, witness),
            Event::Drain => self.tell(at, &event, Input::Drain, witness),
            Event::Received { bytes, .. } => {
                let Some(conn) = conn else { return };
                self.summary.received_bytes += bytes.len() as u64;
                self.tell(at, &event, Input::Received { conn, bytes }, witness);
            }
            Event::Sent { seat, len, .. } if self.kernel == Kernel::Recorded && conn.is_some() => {
                let what = format!("{len} bytes were written then, and nothing now");
                self.differ(Some(*seat), what, witness);
            }
            Event::Sent { .. } => {}
            Event::Writable { .. } => {
                let Some(conn) = conn else { return };
                self.tell(at, &event, Input::Writable { conn }, witness);
            }
            Event::Ended { end, .. } => {
                let Some(conn) = conn else { return };
                self.tell(at, &event, Input::Ended { conn, end: end.clone() }, witness);
            }
            Event::Connected { result, .. } => {
                let Some(conn) = conn else { return };
                self.tell(at, &event, Input::Connected { conn, result: result.clone() }, witness);
            }
            Event::Datagram { listener, peer, bytes } => {
                let input = Input::Datagram { listener: *listener, peer: *peer, bytes };
                self.tell(at, &event, input, witness);
            }
            Event::Resolved { ticket, result } => {
                let input = Input::Resolved { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Stored { ticket, result } => {
                let input = Input::Stored { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Loaded { ticket, result } => {
                let input = Input::Loaded { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Exited { ticket, result } => {
                let input = Input::Exited { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Measured { ticket, vitals } => {
                let input = Input::Measured { ticket: *ticket, vitals: vitals.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Recorder { ticket, result } => {
                let input = Input::Recorder { ticket: *ticket, result: result.clone() };
                self.tell(at, &event, input, witness);
            }
            Event::Reload { config } => match config::load(config, "the recording's configuration", &[]) {
                Ok(config) => self.tell(at, &event, Input::Reload { config: Box::new(config) }, witness),
                Err(error) => {
                    let what = format!("a reload does not suit this build: {}", error.in_one_line());
                    self.differ(None, what, witness);
                }
            },
            Event::Closed { seat, .. } => {
                if self.kernel == Kernel::Recorded && self.places.get(seat).is_some_and(|place| place.open) {
                    self.differ(Some(*seat), "was closed then and is not now".to_owned(), witness);
                }
            }
            Event::Checked { seat, sent } => self.check(*seat, *sent, witness),
            Event::Wished { wishes } => {
                witness.checked(self.now, &Event::Wished { wishes: self.wishes });
                if self.kernel == Kernel::Recorded && !self.wishes_differ && *wishes != self.wishes {
                    self.wishes_differ = true;
                    let what = "other files, names or processes were wished for then".to_owned();
                    self.differ(None, what, witness);
                }
            }
        }
    }

    fn seat(&mut self, conn: ConnId, seat: Seat, witness: &mut dyn Witness) {
        self.summary.conns += 1;
        self.seats.insert(conn, seat);
        let sent = RollingHash::default();
        self.places.insert(seat, Place { conn, open: true, sent, same_bytes: 0, differs: false });
        witness.seated(self.now, seat, conn, &self.server);
    }

    fn tell(&mut self, at: Instant, event: &Event, input: Input<'_>, witness: &mut dyn Witness) {
        self.now = at;
        witness.happened(at, event);
        self.summary.inputs += 1;
        self.server.handle(at, input);
        self.drain(witness);
        witness.settled(at, &self.server);
    }

    fn drain(&mut self, witness: &mut dyn Witness) {
        loop {
            while let Some(output) = self.server.poll() {
                self.summary.outputs += 1;
                match output {
                    Output::Write { conn } => self.write(conn, witness),
                    other => self.wish(other, witness),
                }
            }
            let Some(question) = self.questions.pop_front() else { return };
            let input = match question {
                Output::Measure { ticket } => Input::Measured { ticket, vitals: Box::new(Vitals::default()) },
                Output::Store { ticket, .. } => Input::Stored { ticket, result: Ok(()) },
                _ => continue,
            };
            self.summary.inputs += 1;
            self.server.handle(self.now, input);
        }
    }

    /// What the kernel made of a write: the entry that says so, if there is one for this moment.
    fn answer(&mut self, seat: Seat) -> Option<Event> {
        let about = |event: &Event| match event {
            Event::Sent { seat: other, .. }
            | Event::Ended { seat: other, .. }
            | Event::Received { seat: other, .. }
            | Event::Writable { seat: other } => *other == seat,
            _ => false,
        };
        let place = self.window.iter().position(|entry| about(&entry.event))?;
        let is_answer = matches!(self.window[place].event, Event::Sent { .. } | Event::Ended { .. });
        is_answer.then(|| self.window.remove(place)).flatten().map(|entry| entry.event)
    }

    fn write(&mut self, conn: ConnId, witness: &mut dyn Witness) {
        let (now, seat) = (self.now, self.seats.get(&conn).copied());
        let answer = match (self.kernel, seat) {
            (Kernel::Recorded, Some(seat)) => self.answer(seat),
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
                witness.happened(now, ended);
                let Event::Ended { end, .. } = ended else { return };
                self.summary.inputs += 1;
                return self.server.handle(now, Input::Ended { conn, end: end.clone() });
            }
            None => (offered, true, None),
        };
        let mut left = taken;
        if let Some(seat) = seat
            && let Some(place) = self.places.get_mut(&seat)
        {
            for (slice, shared) in slices.iter() {
                let piece = &slice[..left.min(slice.len())];
                match shared {
                    Some(whole) if whole.len() == piece.len() => {
                        place.sent.append(self.known.digest(whole));
                    }
                    _ => place.sent.extend(piece),
                }
                witness.sent(now, seat, piece);
                left -= piece.len();
            }
        }
        if let Some(seat) = seat
            && let Some(place) = self.places.get(&seat)
        {
            let len = u32::try_from(taken).expect("one write is limited");
            witness.happened(now, &Event::Sent { seat, len, room, check: place.sent.short() });
        }
        self.summary.sent_bytes += taken as u64;
        self.summary.inputs += 1;
        if let Some(seat) = seat {
            self.compare(seat, wanted, offered, witness);
        }
        self.server.handle(now, Input::Sent { conn, len: taken, room });
    }

    fn wish(&mut self, output: Output, witness: &mut dyn Witness) {
        let conn = match &output {
            Output::Close { conn, .. }
            | Output::Read { conn, .. }
            | Output::Connect { conn, .. }
            | Output::Append { conn, .. } => Some(*conn),
            _ => None,
        };
        let seat = conn.and_then(|conn| self.seats.get(&conn).copied());
        witness.wished(self.now, seat, &output);
        match output {
            Output::Close { conn, linger } => self.close(conn, linger, witness),
            Output::Finished => self.finished = true,
            other => {
                let places = &self.seats;
                let seat_at =
                    |index| places.iter().find(|(conn, _)| conn.index == index).map(|(_, seat)| *seat);
                self.wishes.extend(wish_words(&other, seat_at).as_bytes());
                if self.kernel == Kernel::Open {
                    self.questions.push_back(other);
                }
            }
        }
    }
}
