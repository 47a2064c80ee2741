//! The segments that can be fetched: those in the playlist, and those that left it a while ago.
//!
//! In: complete segments. Out: what the playlist says, files by their names, and what has gone for good.
//! Never holds more bytes than it was told.

use super::segment::Segment;
use crate::base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// All complete segments, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Segments in the playlist, if it is long enough.
    count: usize,
    /// Segments that stay after they left.
    keep: usize,
    bytes_max: usize,
    bytes: usize,
    left: VecDeque<Left>,
    listed: VecDeque<Segment>,
    next_sequence: u64,
    discontinuity_sequence: u64,
    /// The longest that the playlist ever was, in microseconds.
    longest_us: u64,
}

/// A segment that left the playlist.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Left {
    segment: Segment,
    /// Until when it must stay.
    until: Instant,
}

impl Window {
    /// An empty window of `count` segments (at least one), which keeps `keep` more, and holds at most
    /// `bytes_max` bytes.
    pub fn new(count: usize, keep: usize, bytes_max: usize, first: Sequences) -> Window {
        Window {
            count: count.max(1),
            keep,
            bytes_max,
            bytes: 0,
            left: VecDeque::new(),
            listed: VecDeque::new(),
            next_sequence: first.media,
            discontinuity_sequence: first.discontinuity,
            longest_us: 0,
        }
    }

    /// The number that the next segment must have.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// How many discontinuities have left the playlist, counted from where the sequence began.
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// The segments in the playlist, oldest first.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.listed.iter()
    }

    /// Every segment that can be fetched, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.left.iter().map(|left| &left.segment).chain(&self.listed)
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a segment at the end of the playlist; returns those that have gone for good.
    pub fn push(&mut self, segment: Segment, now: Instant, target_secs: u64) -> Vec<Segment> {
        assert!(segment.sequence == self.next_sequence, "media sequence numbers grow by one");
        self.next_sequence += 1;
        self.bytes += segment.len();
        self.listed.push_back(segment);
        self.slide(now, target_secs);
        self.longest_us = self.longest_us.max(self.listed_us());
        self.expire(now)
    }

    /// True if a player can begin. A player should not begin closer to the end than three target durations
    /// (RFC 8216, 6.3.3), and Chromium's own gives up for good on a live playlist of less than three
    /// segments. Where segments are long, nobody should have to wait for that.
    pub fn is_worth_showing(&self) -> bool {
        self.listed.len() >= 3 || self.listed_us() >= FIRST_US_MAX
    }

    fn listed_us(&self) -> u64 {
        self.listed.iter().map(|segment| segment.entry.duration_us).sum()
    }

    /// Takes segments out of the playlist as long as it stays long enough: "The server MUST NOT remove a
    /// Media Segment from a Playlist file [...] if that would produce a Playlist whose duration is less
    /// than three times the target duration" (RFC 8216, 6.2.2).
    fn slide(&mut self, now: Instant, target_secs: u64) {
        while self.listed.len() > self.count {
            let first_us = self.listed[0].entry.duration_us;
            let long_enough = self.listed_us() - first_us >= 3 * target_secs * 1_000_000;
            if !long_enough && self.listed.len() < LISTED_MAX {
                return;
            }
            self.take_out(now);
        }
    }

    /// The first segment leaves the playlist. It stays for its own duration and that of the longest
    /// playlist that named it (RFC 8216, 6.2.2), since a player may only now begin to fetch it.
    fn take_out(&mut self, now: Instant) {
        let Some(segment) = self.listed.pop_front() else { return };
        self.discontinuity_sequence += u64::from(segment.entry.discontinuity);
        let stay = Duration::from_micros(segment.entry.duration_us + self.longest_us);
        self.left.push_back(Left { segment, until: now + stay });
    }

    /// Lets go what has stayed long enough, and whatever is too much.
    fn expire(&mut self, now: Instant) -> Vec<Segment> {
        let mut gone = Vec::new();
        while let Some(first) = self.left.front() {
            let stayed = self.left.len() > self.keep && first.until <= now;
            if !stayed && self.bytes <= self.bytes_max {
                return gone;
            }
            gone.extend(self.drop_oldest());
        }
        while self.bytes > self.bytes_max && self.listed.len() > 1 {
            reached!("HLS segments left early for want of room");
            self.take_out(now);
            gone.extend(self.drop_oldest());
        }
        gone
    }

    fn drop_oldest(&mut self) -> Option<Segment> {
        let Left { segment, .. } = self.left.pop_front()?;
        self.bytes -= segment.len();
        Some(segment)
    }
}

/// How much of a stream is always worth showing, in microseconds.
const FIRST_US_MAX: u64 = 8_000_000;

/// The most segments in a playlist, however short they are.
const LISTED_MAX: usize = 256;

/// Where the sequences of a playlist begin: at wall time.
///
/// They have to go on where an earlier process ended, of which nothing is known: a player or a cache that
/// still has that process's playlist would take smaller numbers for an old playlist, a segment of the same
/// name for one that it has, and an equal discontinuity number for the same timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Half seconds since 2026. No stream has two segments a second for long, so that a later process
    /// begins above all numbers of an earlier one. They fit into 31 bits until 2060: some players hold no
    /// more.
    pub media: u64,
    /// Minutes since 2026. No stream is broken off every minute for long. Small, because hls.js keeps an
    /// array with one place for each number up to the last: half a billion of them stop it altogether,
    /// a million cost it nothing that could be measured.
    pub discontinuity: u64,
}

impl Sequences {
    /// The numbers that belong to `wall_ms`, in milliseconds since 1970.
    pub fn at(wall_ms: u64) -> Sequences {
        const UNIX_MS_2026: u64 = 1_767_225_600_000;
        let ms = wall_ms.saturating_sub(UNIX_MS_2026);
        Sequences { media: ms / 500, discontinuity: ms / 60_000 }
    }
}
