//! A stream as the server keeps it: the stream itself, its consumers, and the peers around it.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::package::hls::Fetch;
use crate::package::{AnyConsumer, Consumer, Moment};
use crate::server::traffic::Traffic;
use crate::server::write_budget::WriteBudget;
use crate::stream::ingest::Stream;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A stream and all that hangs on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hosted {
    /// The stream.
    pub stream: Stream,
    /// What takes its frames without being a player, from its first publisher on until some time after its
    /// last.
    pub consumers: Vec<Consumed>,
    /// Its players.
    pub players: BTreeSet<ConnId>,
    /// Peers that wait for it to begin.
    pub waiting: BTreeSet<ConnId>,
    /// Peers that wait for a file of it.
    pub fetching: BTreeSet<ConnId>,
    /// Its publisher's connection dropped; it may come back until then.
    pub linger: Option<Instant>,
    /// Its publisher has left for good: players are told as soon as they have got everything.
    pub ended: bool,
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
    /// The number of its next consumer.
    pub consumer_numbers: u32,
}

/// A consumer and its place in the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Consumed {
    /// Its number among all that the stream ever had.
    pub number: u32,
    /// The consumer.
    pub consumer: AnyConsumer,
    /// The number of the next frame that it gets.
    pub next: u64,
    /// [`Consumer::version`] when the fetches that wait were last tried.
    pub version: u64,
    /// Frames that it did not get, since it was behind the ring.
    pub dropped: u64,
}

impl Hosted {
    /// A stream without a publisher.
    pub fn new(stream: Stream, now: Instant) -> Self {
        Hosted {
            stream,
            consumers: Vec::new(),
            players: BTreeSet::new(),
            waiting: BTreeSet::new(),
            fetching: BTreeSet::new(),
            linger: None,
            ended: false,
            tc_url: String::new(),
            live_ms: 0,
            budget: WriteBudget::default(),
            traffic: Traffic::new(now),
            armed: None,
            consumer_numbers: 0,
        }
    }

    /// Adds a consumer, which gets the frames from now on.
    pub fn add_consumer(&mut self, consumer: AnyConsumer) {
        let (number, next) = (self.consumer_numbers, self.stream.head());
        self.consumer_numbers = number.wrapping_add(1);
        let version = consumer.version();
        self.consumers.push(Consumed { number, consumer, next, version, dropped: 0 });
    }

    /// Gives consumers the frames that they lack and are ready for.
    pub fn feed(&mut self, at: Moment) {
        for consumed in &mut self.consumers {
            consumed.feed(&self.stream, at);
        }
    }

    /// The content of a file that is made of the stream.
    pub fn fetch(&self, file: HlsFile) -> Fetch {
        let fetches = self.consumers.iter().map(|consumed| consumed.consumer.fetch(file));
        // Without a consumer there is nothing yet.
        fetches.reduce(|one, other| if one == Fetch::Never { other } else { one }).unwrap_or(Fetch::NotYet)
    }

    /// When the server must look after it, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let budget = self.budget.wake_at().map(|at| (at, "writes of the next pass"));
        // How long a pass takes is known once every player has had what left in it.
        let flusher = self.stream.flusher();
        let flush = if budget.is_none() { flusher.wake_at() } else { flusher.flush_at() };
        let flush = flush.map(|at| (at, "flush"));
        let linger = self.linger.map(|at| (at, "publisher linger"));
        let consumers = self.consumers.iter().filter_map(|consumed| consumed.consumer.deadline());
        [budget, flush, linger].into_iter().flatten().chain(consumers).min_by_key(|(at, _)| *at)
    }

    /// True if nothing holds it any more.
    pub fn is_forgotten(&self) -> bool {
        self.stream.publication().is_none()
            && self.linger.is_none()
            && self.consumers.is_empty()
            && self.players.is_empty()
            && self.waiting.is_empty()
            && self.fetching.is_empty()
            && self.budget.is_empty()
    }

    /// True if it is, or lately was, published; false for one that peers merely wait for.
    pub fn is_published(&self) -> bool {
        self.stream.publication().is_some() || self.linger.is_some() || !self.consumers.is_empty()
    }

    /// Bytes of frames, of what they were laid out as, and of what consumers hold.
    pub fn bytes(&self) -> usize {
        let consumers = self.consumers.iter().map(|consumed| consumed.consumer.bytes());
        self.stream.bytes() + consumers.sum::<usize>()
    }
}

impl Consumed {
    /// Gives the consumer the frames that it lacks, as long as it is ready. What it does not take waits in
    /// the ring; if the ring has lost some of it, the consumer goes on at the newest keyframe.
    pub fn feed(&mut self, stream: &Stream, at: Moment) {
        while self.consumer.is_ready() {
            if self.next < stream.first() {
                let next = stream.newest_sync().unwrap_or(stream.head());
                self.dropped += next - self.next;
                self.next = next;
                self.consumer.gap(at);
                continue;
            }
            let Some(entry) = stream.entry(self.next) else { return };
            self.consumer.frame(at, &entry.frame, &entry.stream_info);
            self.next += 1;
        }
    }
}
