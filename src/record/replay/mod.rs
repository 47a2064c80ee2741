//! Replay: gives the entries of a recording to a server, and reports where its outputs differ from the
//! recorded ones.
//!
//! In: entries in the order of time. Out: the run, for an [`Observer`], and the differences. With
//! [`Kernel::Recorded`] the server gets the same inputs at the same microsecond and the same results of
//! writes. With [`Kernel::Open`] every write is taken whole and the clock ticks at every deadline, so a list
//! of received bytes is enough for a run.
//!
//! Entries may be missing: one for a connection that never came is ignored, and a write without an entry is
//! taken whole. So any part of a recording is a recording.

mod compare;
mod observer;
mod played;

pub use observer::{Difference, Observer, Summary};

use crate::base::id::ConnId;
use crate::base::time::{Epoch, Instant};
use crate::config;
use crate::record::event::{ConnNo, Entry, Event};
use crate::record::file::{Contents, Fault, Header, Kernel, Start};
use crate::record::rolling_hash::RollingHash;
use crate::server::{Engine, Input, Job, Server};
use crate::status::Vitals;
use played::{Hands, Played};

/// A server that is given a recording.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    played: Played,
}

impl Replay {
    /// A replay of the server that a recording begins with, new or saved.
    ///
    /// # Errors
    /// If the header, the configuration or the saved server is not valid, or the part needs the one before.
    pub fn begin(contents: &Contents) -> Result<Self, Fault> {
        let header = &contents.header;
        match (header.start, &contents.saved) {
            (Start::Birth, _) => Replay::new(header),
            (Start::Saved, Some(saved)) => Replay::from_saved(header, saved),
            (Start::Saved, None) => Err(Fault::Saved("it is missing".to_owned())),
            (Start::Part, _) => Err(Fault::Part(header.part)),
        }
    }

    /// A replay of a saved server ([`Server::save`]).
    ///
    /// # Errors
    /// [`Fault::Saved`] if it cannot be loaded.
    pub fn from_saved(header: &Header, saved: &[u8]) -> Result<Self, Fault> {
        let server = Server::load(saved).map_err(|unloadable| Fault::Saved(unloadable.to_string()))?;
        let now = server.now().max(header.start_at());
        Ok(Replay::of(server, header.kernel, now))
    }

    /// Begins the next part of the recording: its hashes of outputs begin anew. The server goes on, whatever
    /// saved server the part begins with.
    pub fn next_part(&mut self) {
        self.played.requests = RollingHash::default();
    }

    /// A replay of a new server with the header's configuration, seed and time.
    ///
    /// # Errors
    /// If the configuration or the seed is not valid.
    pub fn new(header: &Header) -> Result<Self, Fault> {
        let server = Server::new(header.config()?, header.seed()?, header.start_at(), Epoch(header.epoch_us));
        Ok(Replay::of(server, header.kernel, header.start_at()))
    }

    /// A replay of `server`, whose time is `now`.
    pub fn of(server: Server, kernel: Kernel, now: Instant) -> Self {
        Replay { engine: Engine::new(server), played: Played::new(kernel, now) }
    }

    /// The server in its state so far.
    pub fn server(&self) -> &Server {
        self.engine.server()
    }

    /// True when the drain of the server is over.
    pub fn is_finished(&self) -> bool {
        self.played.finished
    }

    /// Numbers of the run so far.
    pub fn summary(&self) -> Summary {
        Summary { end: self.played.now, ..self.played.summary }
    }

    /// Plays all entries.
    pub fn run(&mut self, entries: impl IntoIterator<Item = Entry>, observer: &mut dyn Observer) {
        let mut entries = entries.into_iter().peekable();
        self.played.goes_on = true;
        while let Some(first) = entries.next() {
            // A list that was made by hand may go back in time; the server must not.
            let at = first.at.max(self.played.now);
            self.pass(at, observer);
            self.played.window.push_back(first);
            while let Some(entry) = entries.next_if(|entry| entry.at <= at) {
                self.played.window.push_back(entry);
            }
            self.played.goes_on = entries.peek().is_some();
            while let Some(entry) = self.played.window.pop_front() {
                self.play(at, entry.event, observer);
            }
        }
        self.played.goes_on = false;
    }

    /// Moves time to `until`. With [`Kernel::Open`] the clock ticks at every deadline on the way.
    pub fn pass(&mut self, until: Instant, observer: &mut dyn Observer) {
        if self.played.kernel == Kernel::Open {
            while let Some(deadline) = self.server().deadline().filter(|deadline| deadline.at <= until) {
                let at = self.played.now.max(deadline.at);
                self.tell(at, &Event::Tick, Input::Tick, observer);
            }
        }
        self.played.now = self.played.now.max(until);
    }

    fn play(&mut self, at: Instant, event: Event, observer: &mut dyn Observer) {
        let conn =
            event.conn_no().and_then(|conn_no| self.played.places.get(&conn_no)).map(|place| place.conn);
        match &event {
            Event::Accepted { listener, peer, conn_no } => {
                self.played.now = at;
                observer.happened(at, &event);
                self.played.summary.inputs += 1;
                let conn = self.engine.accept(at, *listener, *peer, &mut ());
                match (conn, conn_no) {
                    (Some(conn), Some(conn_no)) => self.opened(conn, *conn_no, observer),
                    (None, Some(conn_no)) => {
                        self.played.differ(
                            Some(*conn_no),
                            "was accepted in the recording and is refused now".to_owned(),
                            observer,
                        );
                    }
                    (Some(_), None) => {
                        self.played.differ(
                            None,
                            format!("{peer} was refused in the recording and is accepted now"),
                            observer,
                        );
                    }
                    (None, None) => {}
                }
                self.perform_outputs(observer);
                observer.after_input(at, self.engine.server());
            }
            Event::Resumed { conn_no, conn } => match self.played.places.get_mut(conn_no) {
                // Known from the part before: it keeps its id in this run.
                Some(place) => (place.sent, place.same_bytes) = (RollingHash::default(), 0),
                None => self.opened(*conn, *conn_no, observer),
            },
            Event::Tick => self.tell(at, &event, Input::Tick, observer),
            Event::Drain => self.tell(at, &event, Input::Drain, observer),
            Event::Received { bytes, .. } => {
                let Some(conn) = conn else { return };
                self.played.summary.received_bytes += bytes.len() as u64;
                self.tell(at, &event, Input::Received { conn, bytes }, observer);
            }
            Event::Sent { conn_no, len, .. } if self.played.kernel == Kernel::Recorded && conn.is_some() => {
                let what = format!("{len} bytes were written in the recording, and none now");
                self.played.differ(Some(*conn_no), what, observer);
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
                    let what = format!("a reload is not valid in this build: {}", error.in_one_line());
                    self.played.differ(None, what, observer);
                }
            },
            Event::Closed { conn_no, .. } => {
                if self.played.kernel == Kernel::Recorded
                    && self.played.places.get(conn_no).is_some_and(|place| place.open)
                {
                    let what = "was closed in the recording and is open now".to_owned();
                    self.played.differ(Some(*conn_no), what, observer);
                }
            }
            Event::Checked { conn_no, sent } => self.played.check(*conn_no, *sent, observer),
            Event::Requested { requests } => {
                observer.checked(self.played.now, &Event::Requested { requests: self.played.requests });
                if self.played.kernel == Kernel::Recorded
                    && !self.played.requests_differ
                    && *requests != self.played.requests
                {
                    self.played.requests_differ = true;
                    let what =
                        "files or measurements were requested that are not in the recording".to_owned();
                    self.played.differ(None, what, observer);
                }
            }
        }
    }

    fn opened(&mut self, conn: ConnId, conn_no: ConnNo, observer: &mut dyn Observer) {
        self.played.opened(conn, conn_no);
        observer.opened(self.played.now, conn_no, conn, self.engine.server());
    }

    fn tell(&mut self, at: Instant, event: &Event, input: Input<'_>, observer: &mut dyn Observer) {
        self.played.now = at;
        observer.happened(at, event);
        self.played.summary.inputs += 1;
        self.engine.tell(at, input, &mut ());
        self.perform_outputs(observer);
        observer.after_input(at, self.engine.server());
    }

    /// Performs outputs, background work, and the outputs that follow from its results.
    fn perform_outputs(&mut self, observer: &mut dyn Observer) {
        let now = self.played.now;
        loop {
            self.engine.perform(now, &mut Hands { played: &mut self.played, observer });
            let input = match self.played.jobs.pop_front() {
                Some(Job::Measure { ticket }) => {
                    Input::Measured { ticket, vitals: Box::new(Vitals::default()) }
                }
                Some(Job::Store { ticket, .. }) => Input::Stored { ticket, result: Ok(()) },
                None => return,
            };
            self.played.summary.inputs += 1;
            self.engine.tell(now, input, &mut ());
        }
    }
}
