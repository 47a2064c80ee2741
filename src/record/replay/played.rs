//! Performs the outputs of a replayed server.
//!
//! In: outputs of the server. Out: results of writes, as recorded or whole, and background work that is done
//! at once. Everything is compared with the recording (`compare`).

use super::{Observer, Summary};
use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::record::digest_cache::DigestCache;
use crate::record::event::{ConnNo, Entry, Event};
use crate::record::file::Kernel;
use crate::record::rolling_hash::RollingHash;
use crate::record::tape::request_text;
use crate::server::{End, Job, Monitor, Output, Perform, Taken};
use std::collections::{BTreeMap, VecDeque};

/// A connection of the recording.
#[derive(Debug)]
pub(super) struct Place {
    /// Id of the connection in this run.
    pub conn: ConnId,
    /// False after it was closed.
    pub open: bool,
    /// Hash of the bytes that it was sent.
    pub sent: RollingHash,
    /// Number of bytes that it was sent when they last were the recorded ones.
    pub same_bytes: u64,
    /// True after a difference was reported.
    pub differs: bool,
}

/// The state of a replay beside the server.
#[derive(Debug)]
pub(super) struct Played {
    /// How writes are replayed.
    pub kernel: Kernel,
    /// The time of the last entry.
    pub now: Instant,
    /// The connections of the recording.
    pub places: BTreeMap<ConnNo, Place>,
    /// Numbers of the open connections, by their ids in this run.
    pub numbers: BTreeMap<ConnId, ConnNo>,
    /// Entries with the time of now that were not played yet.
    pub window: VecDeque<Entry>,
    /// True if entries follow.
    pub goes_on: bool,
    /// Hash of the outputs that are neither writes nor closes.
    pub requests: RollingHash,
    /// True after a difference of these was reported.
    pub requests_differ: bool,
    /// Background work to do, with [`Kernel::Open`].
    pub jobs: VecDeque<Job>,
    /// True when the drain of the server is over.
    pub finished: bool,
    /// Hashes of buffers that many connections are sent.
    digests: DigestCache,
    /// Numbers of the run so far.
    pub summary: Summary,
}

impl Played {
    /// The state before the first entry.
    pub fn new(kernel: Kernel, now: Instant) -> Self {
        Played {
            kernel,
            now,
            places: BTreeMap::new(),
            numbers: BTreeMap::new(),
            window: VecDeque::new(),
            goes_on: true,
            requests: RollingHash::default(),
            requests_differ: false,
            jobs: VecDeque::new(),
            finished: false,
            digests: DigestCache::default(),
            summary: Summary::default(),
        }
    }

    /// Notes that a connection of the recording has the id `conn` in this run.
    pub fn opened(&mut self, conn: ConnId, conn_no: ConnNo) {
        self.summary.conns += 1;
        self.numbers.insert(conn, conn_no);
        let sent = RollingHash::default();
        self.places.insert(conn_no, Place { conn, open: true, sent, same_bytes: 0, differs: false });
    }

    /// Takes the entry that holds the result of a write, if there is one with the time of now.
    fn answer(&mut self, conn_no: ConnNo) -> Option<Event> {
        let about = |event: &Event| match event {
            Event::Sent { conn_no: other, .. }
            | Event::Ended { conn_no: other, .. }
            | Event::Received { conn_no: other, .. }
            | Event::Writable { conn_no: other } => *other == conn_no,
            _ => false,
        };
        let place = self.window.iter().position(|entry| about(&entry.event))?;
        let answers =
            matches!(self.window[place].event, Event::Sent { .. } | Event::Ended { end: End::Broken(_), .. });
        answers.then(|| self.window.remove(place)).flatten().map(|entry| entry.event)
    }

    /// Hashes and reports the bytes that are sent: the first `taken` of those that are shown.
    fn send(&mut self, conn_no: ConnNo, slices: &Slices<'_>, taken: Taken, observer: &mut dyn Observer) {
        let Some(place) = self.places.get_mut(&conn_no) else { return };
        let mut left = taken.len;
        for (slice, shared) in slices.iter() {
            let piece = &slice[..left.min(slice.len())];
            match shared {
                Some(whole) if whole.len() == piece.len() => place.sent.append(self.digests.digest(whole)),
                _ => place.sent.extend(piece),
            }
            observer.sent(self.now, conn_no, piece);
            left -= piece.len();
        }
        let len = u32::try_from(taken.len).expect("one write is limited");
        let check = place.sent.short();
        observer.happened(self.now, &Event::Sent { conn_no, len, room: taken.room, check });
    }
}

/// A replay, borrowed to perform outputs.
pub(super) struct Hands<'a> {
    /// The state beside the server.
    pub played: &'a mut Played,
    /// Observes the replay.
    pub observer: &'a mut dyn Observer,
}

impl Monitor for Hands<'_> {
    fn output(&mut self, now: Instant, output: &Output) {
        let Played { summary, numbers, requests, .. } = &mut *self.played;
        summary.outputs += 1;
        let conn = match output {
            Output::Write { .. } => return,
            Output::Close { conn, .. } | Output::Read { conn, .. } => Some(conn),
            _ => None,
        };
        let conn_no = conn.and_then(|conn| numbers.get(conn).copied());
        self.observer.requested(now, conn_no, output);
        if !matches!(output, Output::Close { .. } | Output::Finished) {
            let at =
                |index| numbers.iter().find(|(conn, _)| conn.index == index).map(|(_, conn_no)| *conn_no);
            requests.extend(request_text(output, at).as_bytes());
        }
    }
}

impl Perform for Hands<'_> {
    type Monitor = Self;

    fn monitor(&mut self) -> &mut Self {
        self
    }

    fn write(&mut self, conn: ConnId, slices: &Slices<'_>) -> Result<Taken, String> {
        let Hands { played, observer } = self;
        let conn_no = played.numbers.get(&conn).copied();
        let answer = match (played.kernel, conn_no) {
            (Kernel::Recorded, Some(conn_no)) => played.answer(conn_no),
            _ => None,
        };
        let offered = slices.len();
        played.summary.inputs += 1;
        let (taken, wanted) = match answer {
            Some(Event::Sent { len, room, check, .. }) => {
                let len = len as usize;
                (Taken { len: len.min(offered), room }, Some((len, check)))
            }
            Some(Event::Ended { conn_no, end: End::Broken(how) }) => {
                let end = End::Broken(how.clone());
                observer.happened(played.now, &Event::Ended { conn_no, end });
                return Err(how);
            }
            _ => (Taken { len: offered, room: true }, None),
        };
        played.summary.sent_bytes += taken.len as u64;
        if let Some(conn_no) = conn_no {
            played.send(conn_no, slices, taken, *observer);
            played.compare(conn_no, wanted, offered, *observer);
        }
        Ok(taken)
    }

    fn close(&mut self, conn: ConnId, linger: bool) {
        self.played.close(conn, linger, self.observer);
    }

    fn start(&mut self, job: Job) {
        if self.played.kernel == Kernel::Open {
            self.played.jobs.push_back(job);
        }
    }

    fn finished(&mut self) {
        self.played.finished = true;
    }
}
