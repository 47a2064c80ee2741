//! A hosted stream: the stream, its consumers, and the peers that play, wait or fetch.

use crate::base::id::ConnId;
use crate::base::secret::StreamUrl;
use crate::base::time::Instant;
use crate::package::hls::Fetch;
use crate::package::{AnyConsumer, Consumer, Moment};
use crate::server::traffic::Traffic;
use crate::server::write_budget::WriteBudget;
use crate::stream::ingest::Stream;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// A stream, its consumers and its peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hosted {
    /// The stream.
    pub stream: Stream,
    /// Consumers, such as HLS. Added when a publisher comes; each stays until it has finished, some time
    /// after the publisher has left.
    pub consumers: Vec<Consumed>,
    /// Peers that play it.
    pub players: BTreeSet<ConnId>,
    /// Peers that wait for it to begin.
    pub waiting: BTreeSet<ConnId>,
    /// Peers that wait for a file of it.
    pub fetching: BTreeSet<ConnId>,
    /// Set after the publisher's connection dropped: until when it can come back.
    pub linger: Option<Instant>,
    /// True if the publisher has left for good. Each player is told when it has been sent all frames.
    pub ended: bool,
    /// The publisher's URL without query.
    pub tc_url: StreamUrl,
    /// When its publisher came: wall time in milliseconds since 1970.
    pub live_ms: u64,
    /// Writes to players in this pass of the loop, and the players that wait for the next.
    pub budget: WriteBudget,
    /// Bytes received and sent.
    pub traffic: Traffic,
    /// Time of the stream's timer; never later than [`Hosted::deadline`] (I27).
    pub armed: Option<Instant>,
    /// Number of the next consumer.
    pub consumer_numbers: u32,
}

/// A consumer and its position in the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Consumed {
    /// Number of the consumer; never used twice in a stream.
    pub number: u32,
    /// The consumer.
    pub consumer: AnyConsumer,
    /// Number of the next frame that it gets.
    pub next: u64,
    /// [`Consumer::version`] when the fetches that wait were last tried.
    pub version: u64,
    /// Frames that had left the ring before the consumer was ready for them.
    pub dropped: u64,
    /// True while it waits for a frame to start at, having fallen behind the ring.
    pub lost: bool,
    /// Changes of the publisher that it was not told yet: the number of the frame that follows, and whether
    /// one came (`true`) or left. At most two for each frame of the ring, and two.
    pub changes: VecDeque<(u64, bool)>,
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
            tc_url: StreamUrl::default(),
            live_ms: 0,
            budget: WriteBudget::default(),
            traffic: Traffic::new(now),
            armed: None,
            consumer_numbers: 0,
        }
    }

    /// Adds a consumer. It gets frames from the next one on.
    pub fn add_consumer(&mut self, consumer: AnyConsumer) {
        // From the next frame on: what is in the ring may be of another publisher.
        let (number, next) = (self.consumer_numbers, self.stream.head());
        self.consumer_numbers = number.wrapping_add(1);
        let version = consumer.version();
        let changes = VecDeque::new();
        self.consumers.push(Consumed { number, consumer, next, version, dropped: 0, lost: false, changes });
    }

    /// A publisher has come or left. Each consumer is told so after the frames that came before.
    pub fn publishing(&mut self, at: Moment, on: bool) {
        for consumed in &mut self.consumers {
            consumed.change(&self.stream, on);
            consumed.feed(&self.stream, at);
        }
    }

    /// Gives each consumer the frames that it has not had and is ready for.
    pub fn feed(&mut self, at: Moment) {
        for consumed in &mut self.consumers {
            consumed.feed(&self.stream, at);
        }
    }

    /// The content of a file that a consumer makes.
    pub fn fetch(&self, file: HlsFile) -> Fetch {
        let fetches = self.consumers.iter().map(|consumed| consumed.consumer.fetch(file));
        // Consumers come with the publisher, so the file may exist later.
        // The first consumer that may make the file decides.
        fetches.reduce(|one, other| if one == Fetch::Never { other } else { one }).unwrap_or(Fetch::NotYet)
    }

    /// When the server must handle the stream at the latest, and why.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let budget = self.budget.wake_at().map(|at| (at, "writes of the next pass"));
        // The flusher measures the length of a pass, which ends when no player waits any more.
        let flusher = self.stream.flusher();
        let flush = if budget.is_none() { flusher.wake_at() } else { flusher.flush_at() };
        let flush = flush.map(|at| (at, "flush"));
        let linger = self.linger.map(|at| (at, "publisher linger"));
        let consumers = self.consumers.iter().filter_map(|consumed| consumed.consumer.deadline());
        [budget, flush, linger].into_iter().flatten().chain(consumers).min_by_key(|(at, _)| *at)
    }

    /// True if each consumer has had all frames.
    pub fn is_consumed(&self) -> bool {
        self.consumers.iter().all(|consumed| consumed.next >= self.stream.head())
    }

    /// True if no publisher, player, waiting peer or consumer holds the stream.
    pub fn is_forgotten(&self) -> bool {
        self.stream.publication().is_none()
            && self.linger.is_none()
            && self.consumers.is_empty()
            && self.players.is_empty()
            && self.waiting.is_empty()
            && self.fetching.is_empty()
            && self.budget.is_empty()
    }

    /// True if the stream is or lately was published; false for one that peers only wait for.
    pub fn is_published(&self) -> bool {
        self.stream.publication().is_some() || self.linger.is_some() || !self.consumers.is_empty()
    }

    /// Bytes of frames, of their renditions, and of what consumers hold.
    pub fn bytes(&self) -> usize {
        let consumers = self.consumers.iter().map(|consumed| consumed.consumer.bytes());
        self.stream.bytes() + consumers.sum::<usize>()
    }
}

impl Consumed {
    /// Notes that a publisher has come or left, after all frames so far.
    fn change(&mut self, stream: &Stream, on: bool) {
        let head = stream.head();
        if !on {
            // A publisher that leaves without a frame has changed nothing.
            self.changes.pop_back_if(|last| *last == (head, true));
        }
        if self.changes.back() != Some(&(head, on)) {
            self.changes.push_back((head, on));
        }
        // What happened among frames that the ring has dropped is told by the last two changes.
        while self.changes.get(2).is_some_and(|(place, _)| *place <= stream.first()) {
            self.changes.drain(..2);
        }
    }

    /// Gives the consumer the frames that it has not had, as long as it is ready. The others wait in the
    /// ring; when the ring has dropped some of them, the consumer goes on at the newest keyframe.
    pub fn feed(&mut self, stream: &Stream, at: Moment) {
        self.tell_changes(at);
        while self.consumer.is_ready() {
            if self.lost || self.next < stream.first() {
                self.skip(stream, at);
                self.tell_changes(at);
                if self.lost {
                    return;
                }
                continue;
            }
            let Some(entry) = stream.entry(self.next) else { return };
            self.consumer.frame(at, &entry.frame, &entry.stream_info);
            self.next += 1;
            self.tell_changes(at);
        }
    }

    /// Tells of the publishers that came or left before the next frame.
    fn tell_changes(&mut self, at: Moment) {
        while let Some((_, on)) = self.changes.pop_front_if(|(place, _)| *place <= self.next) {
            self.consumer.publishing(at, on);
        }
    }

    /// Skips what the ring has dropped, up to the newest frame to start at. Without one in the ring, the
    /// consumer stays lost until one comes.
    fn skip(&mut self, stream: &Stream, at: Moment) {
        if !self.lost {
            self.consumer.gap(at);
        }
        let sync = stream.newest_sync();
        let next = sync.unwrap_or(stream.head());
        self.dropped += next.saturating_sub(self.next);
        self.next = next;
        self.lost = sync.is_none();
    }
}
