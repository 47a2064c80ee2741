//! A stream as the server keeps it: the stream itself, its packages, and the connections around it.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::package::hls::Hls;
use crate::server::traffic::Traffic;
use crate::server::write_budget::WriteBudget;
use crate::stream::ingest::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A stream and all that hangs on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hosted {
    /// The stream.
    pub stream: Stream,
    /// Its HLS package, from its first publisher on until some time after its last.
    pub hls: Option<Hls>,
    /// [`Hls::version`] when the fetches that wait were last tried.
    pub hls_version: u64,
    /// Who plays it.
    pub players: BTreeSet<ConnId>,
    /// Who waits for it to begin.
    pub waiting: BTreeSet<ConnId>,
    /// Who waits for a file of it.
    pub fetching: BTreeSet<ConnId>,
    /// Its publisher's connection dropped; it may come back until then.
    pub linger: Option<Instant>,
    /// Its publisher has left for good: players are told as soon as they have got everything.
    pub ended: bool,
    /// When its files are let go of.
    pub dispose: Option<Instant>,
    /// The publisher's URL without query.
    pub tc_url: String,
    /// When it last went live: wall time in milliseconds since 1970.
    pub live_ms: u64,
    /// Writes to its players in this pass of the loop, and which players wait for the next.
    pub budget: WriteBudget,
    /// Bytes so far.
    pub traffic: Traffic,
    /// When the server wakes up for it; never later than [`Hosted::deadline`].
    pub armed: Option<Instant>,
}

impl Hosted {
    /// A stream that nobody publishes yet.
    pub fn new(stream: Stream, now: Instant) -> Self {
        Hosted {
            stream,
            hls: None,
            hls_version: 0,
            players: BTreeSet::new(),
            waiting: BTreeSet::new(),
            fetching: BTreeSet::new(),
            linger: None,
            ended: false,
            dispose: None,
            tc_url: String::new(),
            live_ms: 0,
            budget: WriteBudget::default(),
            traffic: Traffic::new(now),
            armed: None,
        }
    }

    /// When the server must look after it, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let budget = self.budget.wake_at().map(|at| (at, "writes of the next pass"));
        // How long a pass takes is known once every player has got what left in it.
        let flusher = self.stream.flusher();
        let flush = if budget.is_none() { flusher.wake_at() } else { flusher.flush_at() };
        let flush = flush.map(|at| (at, "flush"));
        let linger = self.linger.map(|at| (at, "publisher linger"));
        let dispose = self.dispose.map(|at| (at, "hls dispose"));
        [budget, flush, linger, dispose].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// True if nothing holds it any more.
    pub fn is_forgotten(&self) -> bool {
        self.stream.publication().is_none()
            && self.linger.is_none()
            && self.hls.is_none()
            && self.players.is_empty()
            && self.waiting.is_empty()
            && self.fetching.is_empty()
            && self.budget.is_empty()
    }

    /// True if it is, or lately was, published; false for one that people merely wait for.
    pub fn is_published(&self) -> bool {
        self.stream.publication().is_some() || self.linger.is_some() || self.hls.is_some()
    }
}
