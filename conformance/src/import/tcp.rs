//! Reassembly of one direction of a TCP connection (RFC 9293, section 3.4).
//!
//! In: segments as they were captured: twice, out of order, overlapping. Out: the bytes in order, each piece
//! when its last missing segment came, as the receiver had it. Where two segments say different things about
//! one byte, the first is believed, as most receivers do. Never: makes up what was not captured.

use super::link::Segment;
use std::collections::BTreeMap;

/// Segments further ahead than any window are of something else.
const AHEAD_MAX: i64 = 1 << 30;

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Segments that held nothing new.
    pub repeated: u64,
    /// Segments that came before one that they follow.
    pub early: u64,
    /// Segments of which a part was known.
    pub overlapping: u64,
    /// Segments that contradict what was known.
    pub contradicting: u64,
}

/// A direction.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// The number of the first byte, once known.
    base: Option<u32>,
    /// How many bytes are in order.
    next: u64,
    /// Pieces that came early, by the place of their first byte.
    ahead: BTreeMap<u64, Vec<u8>>,
    /// Where the sender said that it ends.
    end: Option<u64>,
    /// The last bytes in order, to compare repetitions with.
    recent: Vec<u8>,
    /// How it went.
    pub counts: Counts,
    /// It was captured from its SYN on.
    pub whole: bool,
}

/// How many bytes are remembered to see contradictions.
const RECENT_MAX: usize = 256 << 10;

impl Direction {
    /// Takes a segment; what is in order because of it.
    pub fn segment(&mut self, segment: &Segment<'_>) -> Vec<u8> {
        let first = segment.seq.wrapping_add(u32::from(segment.syn));
        if self.base.is_none() {
            self.base = Some(first);
            self.whole = segment.syn;
        }
        let Some(place) = self.place(first) else { return Vec::new() };
        if segment.fin && place + segment.payload.len() as i64 >= 0 {
            self.end = self.end.or(Some((place + segment.payload.len() as i64).cast_unsigned()));
        }
        if segment.payload.is_empty() {
            return Vec::new();
        }
        self.contradictions(place, segment.payload);
        let known = usize::try_from(self.next as i64 - place).unwrap_or(0);
        if known >= segment.payload.len() {
            self.counts.repeated += 1;
            return Vec::new();
        }
        self.counts.overlapping += u64::from(known > 0);
        let fresh = &segment.payload[known..];
        let place = (place + known as i64).cast_unsigned();
        if place > self.next {
            self.counts.early += 1;
            // The first that says something of a byte is believed; what it leaves open comes from others.
            let longer = self.ahead.get(&place).is_none_or(|other| other.len() < fresh.len());
            if longer {
                let mut piece = self.ahead.remove(&place).unwrap_or_default();
                piece.extend_from_slice(&fresh[piece.len()..]);
                self.ahead.insert(place, piece);
            } else {
                self.counts.repeated += 1;
            }
            return Vec::new();
        }
        let mut out = Vec::new();
        self.put_before_early(fresh, &mut out);
        self.join(&mut out);
        out
    }

    /// Puts `fresh` in order; where early pieces came first they are believed.
    fn put_before_early(&mut self, fresh: &[u8], out: &mut Vec<u8>) {
        let mut rest = fresh;
        while !rest.is_empty() {
            let gap = self.ahead.keys().next().map_or(u64::MAX, |first| first - self.next);
            let piece = &rest[..rest.len().min(usize::try_from(gap).unwrap_or(usize::MAX))];
            self.take(piece, out);
            rest = &rest[piece.len()..];
            let before = self.next;
            self.join(out);
            let joined = usize::try_from(self.next - before).unwrap_or(usize::MAX);
            rest = &rest[joined.min(rest.len())..];
        }
    }

    /// Joins early pieces that are no longer early.
    fn join(&mut self, out: &mut Vec<u8>) {
        while let Some((place, piece)) = self.ahead.pop_first() {
            if place > self.next {
                self.ahead.insert(place, piece);
                return;
            }
            let known = usize::try_from(self.next - place).unwrap_or(usize::MAX).min(piece.len());
            self.take(&piece[known..], out);
        }
    }

    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(piece);
        self.next += piece.len() as u64;
        self.recent.extend_from_slice(piece);
        if self.recent.len() > 2 * RECENT_MAX {
            self.recent.drain(..self.recent.len() - RECENT_MAX);
        }
    }

    /// Where a byte stands, counted from the first; `None`: it is of something else.
    fn place(&self, seq: u32) -> Option<i64> {
        let base = self.base?;
        let expected = base.wrapping_add(self.next as u32);
        let off = i64::from(seq.wrapping_sub(expected).cast_signed());
        (off.abs() < AHEAD_MAX).then_some(self.next as i64 + off)
    }

    fn contradictions(&mut self, place: i64, payload: &[u8]) {
        // A byte that is one too early asks whether the other still lives; its value means nothing.
        if payload.len() == 1 && place + 1 == self.next as i64 {
            return;
        }
        let start = self.next as i64 - self.recent.len() as i64;
        let from = place.max(start);
        let until = (place + payload.len() as i64).min(self.next as i64);
        if from < until {
            let at = |zero: i64| (from - zero) as usize..(until - zero) as usize;
            self.counts.contradicting += u64::from(payload[at(place)] != self.recent[at(start)]);
        }
    }

    /// True once everything up to the sender's FIN is in order.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// How many bytes lack before the first that came early, if any lack for good.
    pub fn missing(&self) -> Option<u64> {
        let early = self.ahead.keys().next().map(|place| place - self.next);
        early.or(self.end.map(|end| end.saturating_sub(self.next)).filter(|missing| *missing > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Direction};
    use crate::import::link::Segment;
    use crate::rng::Rng;

    fn data(seq: u32, payload: &[u8]) -> Segment<'_> {
        Segment { seq, ack: true, payload, ..Segment::default() }
    }

    fn opened(isn: u32) -> Direction {
        let mut direction = Direction::default();
        assert_eq!(direction.segment(&Segment { seq: isn, syn: true, ..Segment::default() }), b"");
        direction
    }

    #[test]
    fn segments_are_joined_whatever_their_order() {
        let mut direction = opened(100);
        assert_eq!(direction.segment(&data(104, b"def")), b"");
        assert_eq!(direction.segment(&data(107, b"ghi")), b"");
        assert_eq!(direction.missing(), Some(3));
        assert_eq!(direction.segment(&data(101, b"abc")), b"abcdefghi");
        assert_eq!((direction.missing(), direction.counts), (None, Counts { early: 2, ..Counts::default() }));
    }

    #[test]
    fn what_was_said_before_is_not_said_twice() {
        let mut direction = opened(u32::MAX - 2);
        assert_eq!(direction.segment(&data(u32::MAX - 1, b"abcdef")), b"abcdef");
        assert_eq!(direction.segment(&data(u32::MAX - 1, b"abc")), b"");
        assert_eq!(direction.segment(&data(1, b"defg")), b"g", "over the end of the numbers");
        assert_eq!(direction.counts, Counts { repeated: 1, overlapping: 1, ..Counts::default() });
    }

    #[test]
    fn the_first_word_counts_and_a_contradiction_is_told() {
        let mut direction = opened(0);
        assert_eq!(direction.segment(&data(1, b"abc")), b"abc");
        assert_eq!(direction.segment(&data(2, b"XXd")), b"d");
        assert_eq!(direction.counts.contradicting, 1);
        assert_eq!(direction.segment(&data(7, b"gh")), b"");
        assert_eq!(direction.segment(&data(5, b"efXXi")), b"efghi", "also if it came early");
        // Asking for a sign of life is no contradiction.
        assert_eq!(direction.segment(&data(9, b"\0")), b"");
        assert_eq!(direction.counts.contradicting, 1);
    }

    #[test]
    fn a_direction_is_over_when_everything_before_the_fin_is_there() {
        let mut direction = opened(0);
        let fin = Segment { fin: true, ..data(4, b"def") };
        assert_eq!((direction.segment(&fin), direction.is_over()), (Vec::new(), false));
        assert_eq!(direction.segment(&data(1, b"abc")), b"abcdef");
        assert!(direction.is_over());
        let mut direction = opened(0);
        let _ = direction.segment(&Segment { fin: true, ..data(4, b"") });
        assert_eq!((direction.is_over(), direction.missing()), (false, Some(3)));
    }

    #[test]
    fn a_capture_may_begin_in_the_middle() {
        let mut direction = Direction::default();
        assert_eq!(direction.segment(&data(5000, b"abc")), b"abc");
        assert!(!direction.whole);
        assert_eq!(direction.segment(&data(2_000_000_000, b"of something else")), b"");
        assert_eq!(direction.missing(), None);
    }

    #[test]
    fn any_hail_of_segments_that_holds_everything_gives_everything() {
        let mut rng = Rng::new(7);
        for run in 0..200 {
            let words = rng.bytes(1 + rng.clone().below(400));
            let isn = rng.number() as u32;
            let mut direction = opened(isn);
            let mut segments: Vec<(usize, usize)> = Vec::new();
            let step = 1 + rng.below(40);
            segments.extend((0..words.len()).step_by(step).map(|at| (at, (at + step).min(words.len()))));
            for _ in 0..rng.below(20) {
                let from = rng.below(words.len());
                segments.push((from, from + 1 + rng.below(words.len() - from)));
            }
            for at in (1..segments.len()).rev() {
                segments.swap(at, rng.below(at + 1));
            }
            let mut got = Vec::new();
            for (from, until) in segments {
                let seq = isn.wrapping_add(1 + u32::try_from(from).expect("small"));
                got.extend(direction.segment(&data(seq, &words[from..until])));
            }
            assert_eq!((got == words, direction.missing()), (true, None), "run {run}");
            assert_eq!(direction.counts.contradicting, 0, "run {run}");
        }
    }
}
