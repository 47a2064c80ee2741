//! The segments that can be fetched: those in the playlist, and those that left it recently.
//!
//! In: complete segments. Out: the content of the playlist, and the segments that are gone. Never: holds more
//! than `bytes_max` bytes.

use super::segment::Segment;
use crate::base::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// All complete segments, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Length of the playlist in segments, unless it would be too short in time.
    count: usize,
    /// Segments to keep after they left the playlist.
    keep: usize,
    bytes_max: usize,
    bytes: usize,
    left: VecDeque<Left>,
    listed: VecDeque<Segment>,
    next_sequence: u64,
    discontinuity_sequence: u64,
    /// Longest duration that the playlist ever had, in microseconds.
    longest_us: u64,
}

/// A segment that left the playlist.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Left {
    segment: Segment,
    /// Time until which it must stay available.
    until: Instant,
}

impl Window {
    /// An empty window whose playlist has `count` segments (at least one), which keeps `keep` more, and holds
    /// at most `bytes_max` bytes.
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

    /// Sequence number of the next segment.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Number of discontinuities that have left the playlist, counted from the first of [`Sequences`].
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// Segments in the playlist, oldest first.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.listed.iter()
    }

    /// All segments that can be fetched, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.left.iter().map(|left| &left.segment).chain(&self.listed)
    }

    /// True if its size and its next number are those of its segments. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let mut next = self.next_sequence;
        let counted = self.all().rev().all(|segment| {
            let before = next.checked_sub(1);
            next = before.unwrap_or(0);
            before == Some(segment.sequence)
        });
        self.bytes == self.all().map(Segment::len).sum::<usize>() && self.count > 0 && counted
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a segment to the playlist; returns those that are gone for good.
    pub fn push(&mut self, segment: Segment, now: Instant, target_secs: u64) -> Vec<Segment> {
        assert!(segment.sequence == self.next_sequence, "media sequence numbers grow by one");
        self.next_sequence += 1;
        self.bytes += segment.len();
        self.listed.push_back(segment);
        self.slide(now, target_secs);
        self.longest_us = self.longest_us.max(self.listed_us());
        self.expire(now)
    }

    /// True if a player can start. It should not start closer to the end than three target durations (RFC
    /// 8216, 6.3.3), and Chromium's own player fails on a live playlist of less than three segments. Long
    /// segments are an exception: waiting for three would take too long.
    pub fn is_worth_showing(&self) -> bool {
        self.listed.len() >= 3 || self.listed_us() >= FIRST_US_MAX
    }

    fn listed_us(&self) -> u64 {
        self.listed.iter().map(|segment| segment.entry.duration_us).sum()
    }

    /// Removes segments from the playlist while it stays long enough: "The server MUST NOT remove a Media
    /// Segment from a Playlist file [...] if that would produce a Playlist whose duration is less than three
    /// times the target duration" (RFC 8216, 6.2.2).
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

    /// Removes the first segment from the playlist. It stays available for its own duration plus that of the
    /// longest playlist that named it (RFC 8216, 6.2.2), since a player may only now begin to fetch it.
    fn take_out(&mut self, now: Instant) {
        let Some(segment) = self.listed.pop_front() else { return };
        self.discontinuity_sequence += u64::from(segment.entry.discontinuity);
        let stay = Duration::from_micros(segment.entry.duration_us + self.longest_us);
        self.left.push_back(Left { segment, until: now + stay });
    }

    /// Removes segments that have stayed long enough, and those that exceed the byte limit.
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

/// Duration that is enough to start with, in microseconds.
const FIRST_US_MAX: u64 = 8_000_000;

/// Most segments in a playlist, however short they are.
const LISTED_MAX: usize = 256;

/// First numbers of a playlist's sequences, derived from wall time.
///
/// They must continue those of an earlier process, of which nothing is known. Else a player or cache that
/// still has the old playlist would take smaller numbers for an outdated playlist, a segment of the same name
/// for the one that it has, and an equal discontinuity number for the same timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Media sequence: half seconds since 2026. No stream has two segments a second for long, so a later
    /// process begins above all numbers of an earlier one. Below 2^31 until 2060, which some players need.
    pub media: u64,
    /// Discontinuity sequence: minutes since 2026. No stream is interrupted every minute for long. Small,
    /// since hls.js allocates an array of this length: half a billion stop it, a million cost nothing
    /// measurable.
    pub discontinuity: u64,
}

impl Sequences {
    /// The numbers for `wall_ms`, in milliseconds since 1970.
    pub fn at(wall_ms: u64) -> Sequences {
        const UNIX_MS_2026: u64 = 1_767_225_600_000;
        let ms = wall_ms.saturating_sub(UNIX_MS_2026);
        Sequences { media: ms / 500, discontinuity: ms / 60_000 }
    }
}
