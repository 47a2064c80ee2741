//! The tape: records a run of a server.
//!
//! In: connections, inputs, writes and outputs, as a [`Monitor`] of the server. Out: blocks of bytes, when
//! the shell takes them. Sent bytes are hashed and not kept; a buffer that many connections are sent is
//! hashed once.
//!
//! With chosen streams the first bytes of a connection are held back until it names a stream; then they are
//! written or dropped. Connections of different streams do not affect each other, so those of a stream replay
//! alone.

use crate::base::id::{ConnId, ListenerId};
use crate::base::name::StreamName;
use crate::base::slices::Slices;
use crate::base::store::StoreOp;
use crate::base::time::Instant;
use crate::config::{self, Pattern};
use crate::record::codec;
use crate::record::digest_cache::DigestCache;
use crate::record::event::{ConnNo, Event};
use crate::record::file;
use crate::record::rolling_hash::RollingHash;
use crate::server::{Input, Job, Monitor, Output, Server, Taken};
use std::net::SocketAddr;

/// Most bytes that are held back for a connection that has not named a stream.
const PENDING_BYTES_MAX: usize = 64 << 10;

/// A recorder of a run.
#[derive(Debug)]
pub struct Tape {
    /// Patterns of the chosen streams; `None`: everything is recorded.
    chosen: Option<Vec<Pattern>>,
    body: Body,
    /// Finished blocks, which go before that of `body`.
    ready: Vec<u8>,
    /// By [`ConnId::index`].
    tracks: Vec<Option<Track>>,
    /// Number of the next connection.
    next_conn_no: u32,
    /// Number of inputs so far, recorded or not.
    place: u64,
    requests: RollingHash,
    /// The value of `requests` that was written last.
    requests_checked: RollingHash,
    digests: DigestCache,
    /// Connection of the last input, if it is not decided yet whether it is recorded.
    undecided: Option<ConnId>,
    forgotten: u64,
}

/// One connection.
#[derive(Debug)]
struct Track {
    conn: ConnId,
    conn_no: ConnNo,
    state: State,
    sent: RollingHash,
    /// The value of `sent` that was written last.
    checked: RollingHash,
}

#[derive(Debug)]
enum State {
    /// It is recorded.
    Recorded,
    /// It has not named a stream; its first entries.
    Pending(Box<Body>),
    /// It is not recorded.
    Forgotten,
}

impl State {
    /// The state at the beginning of another part.
    fn again(&self) -> State {
        match self {
            State::Recorded => State::Recorded,
            State::Pending(_) => State::Pending(Box::new(Body::new(true))),
            State::Forgotten => State::Forgotten,
        }
    }
}

impl Tape {
    /// A tape for a whole run.
    pub fn new() -> Self {
        Tape::with(None)
    }

    /// A tape for the streams that match one of `patterns` (`live/*`).
    ///
    /// # Errors
    /// A sentence about the first pattern that cannot be parsed.
    pub fn of_streams(patterns: &[String]) -> Result<Self, String> {
        let patterns = patterns.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        Ok(Tape::with(Some(patterns)))
    }

    /// A tape for the streams that match one of `patterns`.
    pub fn of(patterns: Vec<Pattern>) -> Self {
        Tape::with(Some(patterns))
    }

    fn with(chosen: Option<Vec<Pattern>>) -> Self {
        Tape {
            body: Body::new(chosen.is_some()),
            chosen,
            ready: Vec::new(),
            tracks: Vec::new(),
            next_conn_no: 0,
            place: 0,
            requests: RollingHash::default(),
            requests_checked: RollingHash::default(),
            digests: DigestCache::default(),
            undecided: None,
            forgotten: 0,
        }
    }

    /// Begins a recording or a part that starts from `server`, saved: records the connections that are open.
    /// Those that have a number keep it. The blocks of the last part must be taken first.
    pub fn resume(&mut self, server: &Server, now: Instant) {
        self.place += 1;
        (self.requests, self.requests_checked, self.undecided) = Default::default();
        for conn in server.connections() {
            let slot = self.tracks.get(conn.index as usize).and_then(Option::as_ref);
            let (before, state) = match slot.filter(|track| track.conn == conn) {
                Some(track) => (Some(track.conn_no), track.state.again()),
                None => (None, self.state_of(server.about(conn))),
            };
            let conn_no = self.track(conn, state, before);
            self.about(conn, now, |_| Event::Resumed { conn_no, conn });
        }
        self.undecided = None;
    }

    /// The state of a connection that has named this stream.
    fn state_of(&self, about: Option<&StreamName>) -> State {
        match (&self.chosen, about) {
            (None, _) => State::Recorded,
            (Some(chosen), Some(name)) if chosen.iter().any(|pattern| pattern.fits(name)) => State::Recorded,
            (Some(_), Some(_)) => State::Forgotten,
            (Some(_), None) => State::Pending(Box::new(Body::new(true))),
        }
    }

    fn track(&mut self, conn: ConnId, state: State, conn_no: Option<ConnNo>) -> ConnNo {
        let conn_no = conn_no.unwrap_or(ConnNo(self.next_conn_no));
        self.next_conn_no = self.next_conn_no.max(conn_no.0 + 1);
        let index = conn.index as usize;
        if index >= self.tracks.len() {
            self.tracks.resize_with(index + 1, || None);
        }
        let empty = RollingHash::default();
        self.tracks[index] = Some(Track { conn, conn_no, state, sent: empty, checked: empty });
        conn_no
    }

    fn received(&mut self, conn: ConnId, now: Instant, bytes: &[u8]) {
        let place = self.place;
        let Some((conn_no, body)) = self.writes_to(conn) else { return };
        let out = body.begin(place, codec::RECEIVED, now);
        codec::received(out, conn_no, bytes);
    }

    /// The body that takes entries of `conn`, and the number of the connection; `None` if it is not recorded.
    fn writes_to(&mut self, conn: ConnId) -> Option<(ConnNo, &mut Body)> {
        let slot = self.tracks.get_mut(conn.index as usize)?.as_mut();
        let track = slot.filter(|track| track.conn == conn)?;
        match &mut track.state {
            State::Recorded => Some((track.conn_no, &mut self.body)),
            State::Pending(first) => {
                self.undecided = Some(conn);
                Some((track.conn_no, first))
            }
            State::Forgotten => None,
        }
    }

    fn about(&mut self, conn: ConnId, now: Instant, event: impl FnOnce(ConnNo) -> Event) {
        let place = self.place;
        if let Some((conn_no, body)) = self.writes_to(conn) {
            body.put(place, now, &event(conn_no));
        }
    }

    fn general(&mut self, now: Instant, event: &Event) {
        self.body.put(self.place, now, event);
    }

    fn closed(&mut self, now: Instant, conn: ConnId, linger: bool) {
        let slot = self.tracks.get_mut(conn.index as usize);
        let Some(track) = slot.and_then(|slot| slot.take_if(|track| track.conn == conn)) else { return };
        if matches!(track.state, State::Recorded) {
            let event = Event::Closed { conn_no: track.conn_no, linger, sent: track.sent };
            self.body.put(self.place, now, &event);
        }
    }

    /// Records a check for each connection that was sent bytes since its last check.
    pub fn check(&mut self, now: Instant) {
        for track in self.tracks.iter_mut().flatten() {
            if matches!(track.state, State::Recorded) && track.sent != track.checked {
                track.checked = track.sent;
                self.body.put(self.place, now, &Event::Checked { conn_no: track.conn_no, sent: track.sent });
            }
        }
        if self.requests != self.requests_checked {
            self.requests_checked = self.requests;
            self.body.put(self.place, now, &Event::Requested { requests: self.requests });
        }
    }

    /// Number of bytes that wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.ready.len() + self.body.bytes.len()
    }

    /// Takes the blocks that were recorded since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.ready.extend(self.body.cut());
        std::mem::take(&mut self.ready)
    }

    /// Number of connections that are not recorded because they sent too many bytes before they named a
    /// stream.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Monitor for Tape {
    fn accepted(
        &mut self,
        _: &Server,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        conn: Option<ConnId>,
    ) {
        self.place += 1;
        let Some(conn) = conn else {
            if self.chosen.is_none() {
                self.body.put(self.place, now, &Event::Accepted { listener, peer, conn_no: None });
            }
            return;
        };
        let state = self.state_of(None);
        let conn_no = self.track(conn, state, None);
        self.about(conn, now, |_| Event::Accepted { listener, peer, conn_no: Some(conn_no) });
    }

    fn input(&mut self, server: &Server, now: Instant, input: &Input<'_>) {
        self.place += 1;
        match input {
            Input::Received { conn, bytes } => self.received(*conn, now, bytes),
            Input::Writable { conn } => self.about(*conn, now, |conn_no| Event::Writable { conn_no }),
            Input::Ended { conn, end } => {
                self.about(*conn, now, |conn_no| Event::Ended { conn_no, end: end.clone() });
            }
            Input::Tick => return self.general(now, &Event::Tick),
            Input::Drain => return self.general(now, &Event::Drain),
            Input::Reload { config } => self.general(now, &Event::Reload { config: config::print(config) }),
            // Results belong to the whole server, which a recording of chosen streams does not have.
            _ if self.chosen.is_some() => {}
            Input::Stored { ticket, result } => {
                self.general(now, &Event::Stored { ticket: *ticket, result: result.clone() });
            }
            Input::Measured { ticket, vitals } => {
                self.general(now, &Event::Measured { ticket: *ticket, vitals: vitals.clone() });
            }
        }
        // Timers fire with every input. If this one is not recorded, a tick must take its place.
        if self.chosen.is_some() && server.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.general(now, &Event::Tick);
        }
    }

    fn sent(&mut self, now: Instant, conn: ConnId, shown: &Slices<'_>, Taken { len, room }: Taken) {
        self.place += 1;
        let place = self.place;
        let slot = self.tracks.get_mut(conn.index as usize).and_then(Option::as_mut);
        let Some(track) = slot.filter(|track| track.conn == conn) else { return };
        if matches!(track.state, State::Forgotten) {
            return;
        }
        let mut left = len;
        for (slice, shared) in shown.iter() {
            match shared {
                Some(piece) if slice.len() <= left => track.sent.append(self.digests.digest(piece)),
                _ => track.sent.extend(&slice[..left.min(slice.len())]),
            }
            left = left.saturating_sub(slice.len());
            if left == 0 {
                break;
            }
        }
        let check = track.sent.short();
        let len = u32::try_from(len).expect("one write is limited");
        let Some((conn_no, body)) = self.writes_to(conn) else { return };
        let out = body.begin(place, codec::SENT, now);
        codec::sent(out, conn_no, len, room, check);
    }

    /// Decides about a connection whose first entries are held back, if it has named a stream now.
    fn after_input(&mut self, server: &Server) {
        let Some(conn) = self.undecided.take() else { return };
        let slot = self.tracks.get_mut(conn.index as usize).and_then(Option::as_mut);
        let (Some(track), Some(chosen)) = (slot.filter(|track| track.conn == conn), &self.chosen) else {
            return;
        };
        let State::Pending(first) = &mut track.state else { return };
        match server.about(conn) {
            Some(name) if chosen.iter().any(|pattern| pattern.fits(name)) => {
                self.ready.extend(first.cut());
                track.state = State::Recorded;
            }
            Some(_) => track.state = State::Forgotten,
            None if first.bytes.len() > PENDING_BYTES_MAX => {
                self.forgotten += 1;
                track.state = State::Forgotten;
            }
            None => {}
        }
    }

    fn output(&mut self, now: Instant, output: &Output) {
        match output {
            Output::Write { .. } | Output::Finished => {}
            Output::Close { conn, linger } => self.closed(now, *conn, *linger),
            request if self.chosen.is_none() => {
                let conn_no =
                    |conn| self.tracks.get(conn as usize).and_then(Option::as_ref).map(|track| track.conn_no);
                let words = request_text(request, conn_no);
                self.requests.extend(words.as_bytes());
            }
            _ => {}
        }
    }
}

impl Default for Tape {
    fn default() -> Self {
        Tape::new()
    }
}

/// The text of a request that is hashed. Holds nothing that depends on other connections.
pub(super) fn request_text(request: &Output, conn_no: impl Fn(u32) -> Option<ConnNo>) -> String {
    match request {
        Output::Read { conn, on } => format!("Read {:?} {on}", conn_no(conn.index)),
        Output::Start(Job::Store { ticket, op: StoreOp::Write { path, body } }) => {
            let mut content = RollingHash::default();
            body.iter().for_each(|piece| content.extend(piece));
            format!("Write {ticket:?} {path} {content:?}")
        }
        Output::Start(job) => format!("{job:?}"),
        other => format!("{other:?}"),
    }
}

/// Encoded entries.
#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    /// The time of the last entry.
    last: Instant,
    ordered: bool,
}

impl Body {
    fn new(ordered: bool) -> Self {
        Body { bytes: Vec::new(), last: Instant::ZERO, ordered }
    }

    /// Writes what goes before the kind of an entry. Returns the time of the last entry.
    fn open(&mut self, place: u64, at: Instant) -> Instant {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&at.as_micros().to_le_bytes());
            self.last = at;
        }
        if self.ordered {
            codec::number(&mut self.bytes, place);
        }
        std::mem::replace(&mut self.last, at)
    }

    fn put(&mut self, place: u64, at: Instant, event: &Event) {
        let last = self.open(place, at);
        codec::put(&mut self.bytes, last, at, event);
    }

    /// Begins an entry. The caller appends its content.
    fn begin(&mut self, place: u64, kind: u8, at: Instant) -> &mut Vec<u8> {
        let last = self.open(place, at);
        codec::begin(&mut self.bytes, kind, last, at);
        &mut self.bytes
    }

    /// Takes the entries as a block; empty if there are none.
    fn cut(&mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            return Vec::new();
        }
        let block = file::block_entries(&self.bytes, self.ordered);
        self.bytes.clear();
        block
    }
}
