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

use crate::base::digest::Digest;
use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config;
use crate::record::file::{Contents, Fault, Header, Kernel, Start};
use crate::record::known::Known;
use crate::record::list::{Entry, Event, Seat};
use crate::record::tape::wish_words;
use crate::server::{Input, Output, Server};
use crate::status::Vitals;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Watches a replay. Every method may be left as it is.
pub trait Witness {
    /// The server is about to be told this. Of [`Event::Sent`] it hears what the kernel takes now, also where
    /// the recording says something else or nothing.
    fn happened(&mut self, _at: Instant, _event: &Event) {}
    /// A connection has its seat.
    fn seated(&mut self, _at: Instant, _seat: Seat, _conn: ConnId, _server: &Server) {}
    /// These bytes leave for a connection; a write may leave in several calls.
    fn sent(&mut self, _at: Instant, _seat: Seat, _bytes: &[u8]) {}
    /// The server wants something else than a write. `seat`: the connection that it is about, if it is.
    fn wished(&mut self, _at: Instant, _seat: Option<Seat>, _output: &Output) {}
    /// The server has taken it all in; a moment to look at it.
    fn settled(&mut self, _at: Instant, _server: &Server) {}
    /// The recording has a check here; so it is now.
    fn checked(&mut self, _at: Instant, _event: &Event) {}
    /// Something is not as it was recorded.
    fn differs(&mut self, _difference: &Difference) {}
}

/// Watches nothing.
impl Witness for () {}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at: Instant,
    /// About which connection.
    pub seat: Option<Seat>,
    /// What, as a sentence.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.at)?;
        if let Some(seat) = self.seat {
            write!(f, "{seat} ")?;
        }
        f.write_str(&self.what)
    }
}

/// A replay in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs that the server was given.
    pub inputs: u64,
    /// Outputs that it gave.
    pub outputs: u64,
    /// Connections that it let in.
    pub conns: u64,
    /// Bytes that it was sent.
    pub received_bytes: u64,
    /// Bytes that it sent.
    pub sent_bytes: u64,
    /// What was not as it was recorded; of each connection only the first.
    pub differences: u64,
    /// The server's time at the end.
    pub end: Instant,
}

/// A connection of the recording.
#[derive(Debug)]
struct Place {
    /// Who it is in this run.
    conn: ConnId,
    open: bool,
    sent: Digest,
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
    wishes: Digest,
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
        self.wishes = Digest::default();
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
            wishes: Digest::default(),
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
                Some(place) => (place.sent, place.same_bytes) = (Digest::default(), 0),
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
        let sent = Digest::default();
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

    /// Holds one write against the recording.
    fn compare(
        &mut self,
        seat: Seat,
        wanted: Option<(usize, u16)>,
        offered: usize,
        witness: &mut dyn Witness,
    ) {
        let Some(place) = self.places.get_mut(&seat).filter(|_| self.kernel == Kernel::Recorded) else {
            return;
        };
        let what = match wanted {
            None if !self.goes_on && self.window.is_empty() => return,
            None => format!("{offered} bytes are written now, and were not then"),
            Some((len, _)) if len > offered => {
                format!("{len} bytes were written then, and only {offered} are there now")
            }
            Some((_, check)) if check != place.sent.short() => {
                format!("its bytes from {} to {} are others now", place.same_bytes, place.sent.len())
            }
            Some(_) => {
                place.same_bytes = place.sent.len();
                return;
            }
        };
        self.differ(Some(seat), what, witness);
    }

    fn check(&mut self, seat: Seat, sent: Digest, witness: &mut dyn Witness) {
        let Some(place) = self.places.get(&seat).filter(|_| self.kernel == Kernel::Recorded) else { return };
        witness.checked(self.now, &Event::Checked { seat, sent: place.sent });
        if place.sent != sent {
            let what = format!(
                "{} bytes were sent to it then and {} now, not the same ones from byte {} on",
                sent.len(),
                place.sent.len(),
                place.same_bytes
            );
            self.differ(Some(seat), what, witness);
        }
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
            Output::Close { conn, gently } => self.close(conn, gently, witness),
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

    fn close(&mut self, conn: ConnId, gently: bool, witness: &mut dyn Witness) {
        let Some(seat) = self.seats.remove(&conn) else { return };
        let Some(place) = self.places.get_mut(&seat) else { return };
        place.open = false;
        if self.kernel == Kernel::Open {
            return;
        }
        let sent = place.sent;
        let then = self.window.iter().find_map(|entry| match &entry.event {
            Event::Closed { seat: other, gently, sent } if *other == seat => Some((*gently, *sent)),
            _ => None,
        });
        match then {
            Some((then, _)) if then != gently => {
                let how = |gently| if gently { "gently" } else { "at once" };
                let what = format!("was closed {} then and is closed {} now", how(then), how(gently));
                self.differ(Some(seat), what, witness);
            }
            Some((_, then)) if then != sent => self.check(seat, then, witness),
            Some(_) => {}
            None if self.goes_on || !self.window.is_empty() => {
                self.differ(Some(seat), "is closed now and was not then".to_owned(), witness);
            }
            None => {}
        }
    }

    /// Of each connection only the first difference is told: the others follow from it.
    fn differ(&mut self, seat: Option<Seat>, what: String, witness: &mut dyn Witness) {
        if let Some(place) = seat.and_then(|seat| self.places.get_mut(&seat))
            && std::mem::replace(&mut place.differs, true)
        {
            return;
        }
        self.summary.differences += 1;
        witness.differs(&Difference { at: self.now, seat, what });
    }
}
